// quic-go as a server that is measured, and as the load for all: `serve PORT CERT KEY`, or `load URL SECONDS CONNECTIONS STREAMS`, which
// says how many requests were answered and how many bytes came, as JSON.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/http3"
)

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func serve(port, cert, key string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"message":"Hello from Nexus!"}`))
	})
	bulk := make([]byte, 64<<20)
	mux.HandleFunc("/bulk", func(w http.ResponseWriter, r *http.Request) { w.Write(bulk) })
	return http3.ListenAndServeQUIC("127.0.0.1:"+port, cert, key, mux)
}

func load(url string, seconds float64, connections, streams int) {
	var requests, bytes atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for range connections {
		client := &http.Client{Transport: &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		for range streams {
			group.Add(1)
			go func() {
				defer group.Done()
				for time.Now().Before(end) {
					answer, err := client.Get(url)
					if err != nil {
						fmt.Fprintln(os.Stderr, err)
						os.Exit(1)
					}
					n, _ := io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
					requests.Add(1)
					bytes.Add(n)
				}
			}()
		}
	}
	group.Wait()
	line, _ := json.Marshal(map[string]int64{"requests": requests.Load(), "bytes": bytes.Load()})
	fmt.Println(string(line))
}

func main() {
	if os.Args[1] == "serve" {
		fmt.Fprintln(os.Stderr, serve(os.Args[2], os.Args[3], os.Args[4]))
		os.Exit(1)
	}
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)
	load(os.Args[2], seconds, number(os.Args[4]), number(os.Args[5]))
}
