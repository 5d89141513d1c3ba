package handshake

// Error says why a message was refused and what the client is answered. All
// errors of this package are predeclared values: returning one allocates
// nothing, and they may be compared by address. They are never changed.
type Error struct {
	Status int    // of the answer to the client
	Reason string // short, stable, snake_case: for counters and logs
	Detail string // one line for a person, without a line end
}

// Error returns Detail.
func (e *Error) Error() string { return e.Detail }

// Errors for what the caller finds out: time, limits, routing and endpoints.
var (
	ErrNoRoute         = &Error{404, "no_route", "no route for this host and path"}
	ErrHeadTimeout     = &Error{408, "head_timeout", "the request head was not complete in time"}
	ErrBodyTimeout     = &Error{408, "body_timeout", "the request body stalled for too long"}
	ErrConnectionLimit = &Error{429, "connection_limit", "too many connections"}
	ErrBadGateway      = &Error{502, "bad_gateway", "no endpoint gave a usable answer"}
	ErrNoEndpoint      = &Error{503, "no_endpoint", "no endpoint is available"}
	ErrNoResource      = &Error{503, "no_resource", "the gateway is out of resources"}
	ErrStopping        = &Error{503, "stopping", "the gateway is stopping"}
	ErrUpstreamTimeout = &Error{504, "upstream_timeout", "the endpoint did not answer in time"}
)

// fault names what is wrong with a message, whichever side sent it.
type fault uint8

const (
	faultNone fault = iota
	faultNotHTTP
	faultEmptyLine
	faultMethod
	faultMethodRefused
	faultTarget
	faultUserinfo
	faultStartLine
	faultVersion
	faultStartLineTooLong
	faultBareLF
	faultBareCR
	faultFold
	faultSpaceBeforeColon
	faultFieldName
	faultFieldAlias
	faultControl
	faultFieldTooLong
	faultHeadTooLarge
	faultTooManyFields
	faultTwoHosts
	faultNoHost
	faultBadHost
	faultTwoOrigins
	faultContentLength
	faultTwoContentLengths
	faultLengthWithCoding
	faultTransferEncoding
	faultUnknownCoding
	faultCodingInHTTP10
	faultConnection
	faultFramingInConnection
	faultTrailerField
	faultExpect
	faultUpgradeMethod
	faultUpgradeBody
	faultNoKey
	faultTwoKeys
	faultBadKey
	faultTwoVersions
	faultBadVersion
	faultOtherVersion
	faultChunkSize
	faultChunkExtension
	faultChunkEnd
	faultChunkOverhead
	faultTrailerTooLarge
	faultTrailerForbidden
	faultPath
	faultPathEscape
	faultPathAboveRoot
	faultPathEncoded
	faultNotSwitching
	faultSwitchingHTTP10
	faultSwitchingBody
	faultNoUpgrade
	faultNoConnectionUpgrade
	faultNoAccept
	faultTwoAccepts
	faultBadAccept
	faultCount
)

var faultTexts = [faultCount]Error{
	faultNotHTTP:             {400, "not_http", "this is not HTTP"},
	faultEmptyLine:           {400, "empty_line", "empty line before the message"},
	faultMethod:              {400, "bad_method", "malformed method"},
	faultMethodRefused:       {405, "method_refused", "the method is not allowed"},
	faultTarget:              {400, "bad_target", "malformed request target"},
	faultUserinfo:            {400, "userinfo", "user information in the request target"},
	faultStartLine:           {400, "bad_start_line", "malformed first line"},
	faultVersion:             {505, "http_version", "only HTTP/1.0 and HTTP/1.1 are spoken here"},
	faultStartLineTooLong:    {414, "start_line_too_long", "the first line is too long"},
	faultBareLF:              {400, "bare_lf", "LF without CR"},
	faultBareCR:              {400, "bare_cr", "CR without LF"},
	faultFold:                {400, "obs_fold", "a header line begins with white space"},
	faultSpaceBeforeColon:    {400, "space_before_colon", "white space before the colon of a field"},
	faultFieldName:           {400, "bad_field_name", "malformed field name"},
	faultFieldAlias:          {400, "field_alias", "a framing field spelled with underscores"},
	faultControl:             {400, "control_byte", "control byte in the head"},
	faultFieldTooLong:        {431, "field_too_long", "a header line is too long"},
	faultHeadTooLarge:        {431, "head_too_large", "the head is too large"},
	faultTooManyFields:       {431, "too_many_fields", "too many header fields"},
	faultTwoHosts:            {400, "two_hosts", "more than one Host field"},
	faultNoHost:              {400, "no_host", "no Host field"},
	faultBadHost:             {400, "bad_host", "malformed Host"},
	faultTwoOrigins:          {400, "two_origins", "more than one Origin field"},
	faultContentLength:       {400, "bad_content_length", "malformed Content-Length"},
	faultTwoContentLengths:   {400, "two_content_lengths", "more than one Content-Length field"},
	faultLengthWithCoding:    {400, "length_with_coding", "Content-Length together with Transfer-Encoding"},
	faultTransferEncoding:    {400, "bad_transfer_encoding", "malformed Transfer-Encoding"},
	faultUnknownCoding:       {501, "unknown_coding", "the only transfer coding understood is chunked"},
	faultCodingInHTTP10:      {400, "coding_in_http10", "Transfer-Encoding in an HTTP/1.0 message"},
	faultConnection:          {400, "bad_connection", "malformed Connection field"},
	faultFramingInConnection: {400, "framing_in_connection", "Connection names a field that frames or routes the message"},
	faultTrailerField:        {400, "bad_trailer", "malformed Trailer field"},
	faultExpect:              {417, "expectation", "the only expectation met is 100-continue"},
	faultUpgradeMethod:       {400, "upgrade_method", "a WebSocket upgrade must be a GET"},
	faultUpgradeBody:         {400, "upgrade_body", "a WebSocket upgrade must not have a body"},
	faultNoKey:               {400, "no_key", "no Sec-WebSocket-Key field"},
	faultTwoKeys:             {400, "two_keys", "more than one Sec-WebSocket-Key field"},
	faultBadKey:              {400, "bad_key", "Sec-WebSocket-Key is not base64 of 16 bytes"},
	faultTwoVersions:         {400, "two_websocket_versions", "more than one Sec-WebSocket-Version field"},
	faultBadVersion:          {400, "bad_websocket_version", "malformed Sec-WebSocket-Version"},
	faultOtherVersion:        {426, "websocket_version", "the only WebSocket version spoken here is 13"},
	faultChunkSize:           {400, "bad_chunk_size", "malformed chunk size"},
	faultChunkExtension:      {400, "bad_chunk_extension", "malformed or overlong chunk extension"},
	faultChunkEnd:            {400, "bad_chunk_end", "a chunk does not end where its size says"},
	faultChunkOverhead:       {400, "chunk_overhead", "too little data in too many chunk bytes"},
	faultTrailerTooLarge:     {400, "trailer_too_large", "the trailer section is too large"},
	faultTrailerForbidden:    {400, "trailer_forbidden", "a field that must not be in a trailer section"},
	faultPath:                {400, "bad_path", "malformed path"},
	faultPathEscape:          {400, "bad_escape", "malformed percent escape in the path"},
	faultPathAboveRoot:       {400, "path_above_root", "the path leads above the root"},
	faultPathEncoded:         {400, "encoded_delimiter", "slash, backslash or NUL hidden in the path"},
	faultNotSwitching:        {502, "not_switching", "the status is not 101"},
	faultSwitchingHTTP10:     {502, "switching_in_http10", "101 in an HTTP/1.0 response"},
	faultSwitchingBody:       {502, "switching_with_body", "101 with a body"},
	faultNoUpgrade:           {502, "switching_without_upgrade", "101 without Upgrade: websocket"},
	faultNoConnectionUpgrade: {502, "switching_without_connection", "101 without Connection: upgrade"},
	faultNoAccept:            {502, "no_accept", "101 without Sec-WebSocket-Accept"},
	faultTwoAccepts:          {502, "two_accepts", "more than one Sec-WebSocket-Accept field"},
	faultBadAccept:           {502, "bad_accept", "Sec-WebSocket-Accept does not belong to the key"},
}

// responseErrors are the same faults found in what an endpoint sent: the client
// is answered 502, and the reason says which side it was.
var responseErrors = func() (out [faultCount]Error) {
	for i, e := range faultTexts {
		out[i] = Error{502, "upstream_" + e.Reason, "bad answer from the endpoint: " + e.Detail}
	}
	return out
}()

// inRequest returns the error for a fault of a client's message, nil for none.
func (f fault) inRequest() *Error {
	if f == faultNone {
		return nil
	}
	return &faultTexts[f]
}

// inResponse returns the error for a fault of an endpoint's message, nil for none.
func (f fault) inResponse() *Error {
	if f == faultNone {
		return nil
	}
	return &responseErrors[f]
}
