module github.com/gobwas/ws
