package handshake

import (
	_ "example.com/other"
	_ "net/http"
	_ "wsgate/lb"
)
