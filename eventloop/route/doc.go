// Package route finds the route of a request by its host and path.
//
// A Table is immutable and belongs to one generation of the configuration; any
// number of goroutines may match against it at once. Matching allocates
// nothing: the caller brings the scratch memory and takes it back.
//
// The host is chosen first: the exact name, else the longest "*.example.com"
// that fits, else "*". Within that host the path is compared after
// normalisation (handshake.NormalizePath), exact paths before prefixes, the
// longest prefix by segments before shorter ones. A path that the chosen host
// does not have is not looked for in less specific hosts.
//
// # Example
//
//	table, err := route.NewTable([]*route.Route{
//		{Name: "*/", Host: "*", Path: "/", Pool: chat},
//		{Name: "*/health", Host: "*", Path: "/health", Exact: true, Pool: health},
//	})
//	...
//	r, scratch, bad := table.Match(host, target, scratch)
//	if bad != nil {
//		return refuse(bad) // 404, or 400 for a path that cannot be normalised
//	}
package route
