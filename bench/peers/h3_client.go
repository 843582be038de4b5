// The row client_h3 on quic-go's http3; arguments and output as micro/client.c. Built in tests/peers/quic-go, where its module is.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/http3"
)

const wanted = `{"message":"Hello from Nexus!"}`

func all(client *http.Client, url string, count int64) {
	left := count
	var wait sync.WaitGroup
	for i := 0; i < 64; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				res, err := client.Get(url)
				if err != nil {
					panic(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(body) != wanted || res.ProtoMajor != 3 {
					panic("a wrong answer")
				}
			}
		}()
	}
	wait.Wait()
}

func main() {
	runtime.GOMAXPROCS(1)
	count, _ := strconv.ParseInt(os.Args[2], 10, 64)
	text, _ := os.ReadFile(os.Args[3])
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	all(client, os.Args[1], 2000)
	start := time.Now()
	all(client, os.Args[1], count)
	fmt.Printf("{\"rate\":%.0f}\n", float64(count)/time.Since(start).Seconds())
}
