// The rows client_h1 and client_h2 on Go's net/http; arguments and output as micro/client.c.
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
				if err != nil || string(body) != wanted {
					panic("a wrong answer")
				}
			}
		}()
	}
	wait.Wait()
}

func byHttp2(url, ca string) *http.Client {
	text, _ := os.ReadFile(ca)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	res, err := client.Get(url + "protocol")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(body) != "h2" {
		panic("it does not speak HTTP/2")
	}
	return client
}

func main() {
	runtime.GOMAXPROCS(1)
	count, _ := strconv.ParseInt(os.Args[2], 10, 64)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	if len(os.Args) > 3 {
		client = byHttp2(os.Args[1], os.Args[3])
	}
	all(client, os.Args[1], 2000)
	start := time.Now()
	all(client, os.Args[1], count)
	fmt.Printf("{\"rate\":%.0f}\n", float64(count)/time.Since(start).Seconds())
}
