// SPDX-License-Identifier: MIT
//
// The HTTP server of the benchmark on Go's net/http: `main PORT FOLDER`. "/plaintext" is 13 bytes,
// every other path a file of the folder.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/plaintext", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("Hello, World!"))
	})
	http.Handle("/", http.FileServer(http.Dir(os.Args[2])))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
