package handshake

import _ "wsgate/eventloop"
