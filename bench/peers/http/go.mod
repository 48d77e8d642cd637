module http

go 1.21
