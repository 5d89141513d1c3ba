module wsgate

go 1.26.0

require (
	example.com/other v0.0.0
	github.com/gobwas/ws v0.0.0
	golang.org/x/sys v0.0.0
)

replace (
	example.com/other => ./replaced/other
	github.com/gobwas/ws => ./replaced/ws
	golang.org/x/sys => ./replaced/sys
)
