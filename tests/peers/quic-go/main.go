// A client of HTTP/3 over quic-go. Each argument is a request, {"Method": ..., "URL": ..., "Size": bytes of the body}; each answer is a
// line of JSON. All go over one connection. Or a server: "serve", an address, a certificate and its key.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/quic-go/quic-go/http3"
)

func ask(client *http.Client, text string) map[string]any {
	var q struct {
		Method, URL string
		Size        int
	}
	if err := json.Unmarshal([]byte(text), &q); err != nil {
		return map[string]any{"error": err.Error()}
	}
	var body io.Reader
	if q.Size > 0 {
		body = bytes.NewReader(make([]byte, q.Size))
	}
	request, err := http.NewRequest(q.Method, q.URL, body)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	answer, err := client.Do(request)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	defer answer.Body.Close()
	hash := sha256.New()
	length, err := io.Copy(hash, answer.Body)
	return map[string]any{"status": answer.StatusCode, "proto": answer.Proto, "length": length, "whole": err == nil,
		"sha256": hex.EncodeToString(hash.Sum(nil)), "header": answer.Header, "trailer": answer.Trailer}
}

func serve(address, cert, key string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, err := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", fmt.Sprint(err == nil))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.Proto) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 20000000)) })
	fmt.Println("serves")
	return http3.ListenAndServeQUIC(address, cert, key, mux)
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == "serve" {
		fmt.Println(serve(os.Args[2], os.Args[3], os.Args[4]))
		return
	}
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	for _, text := range os.Args[1:] {
		line, _ := json.Marshal(ask(&http.Client{Transport: transport}, text))
		fmt.Println(string(line))
	}
}
