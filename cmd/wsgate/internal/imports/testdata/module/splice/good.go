package splice

import (
	_ "github.com/gobwas/ws"
	_ "wsgate/splice/sys"
)
