// A client of HTTP/3 over quic-go. Each argument is a request, {"Method": ..., "URL": ..., "Size": bytes of the body}; each answer is a
// line of JSON. All go over one connection.
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

func main() {
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	for _, text := range os.Args[1:] {
		line, _ := json.Marshal(ask(&http.Client{Transport: transport}, text))
		fmt.Println(string(line))
	}
}
