// The server of the HTTP/3 rows on quic-go: PORT CERT KEY FOLDER. Built in tests/peers/quic-go, where its module is.
package main

import (
	"encoding/json"
	"net/http"
	"os"
	"runtime"

	"github.com/quic-go/quic-go/http3"
)

func main() {
	runtime.GOMAXPROCS(1)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := json.Marshal(map[string]string{"message": "Hello from Nexus!"})
		w.Header().Set("content-type", "application/json")
		w.Write(body)
	})
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(os.Args[4]))))
	server := http3.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: mux}
	if err := server.ListenAndServeTLS(os.Args[2], os.Args[3]); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
