package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

var credentials = "Basic " + base64.StdEncoding.EncodeToString([]byte("bench:secret"))

// proxy answers in the origin's place, as a cache does that has everything: no second hop can be the limit.
func proxy(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Proxy-Authorization") != credentials {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	origin(w, r)
}

// failOnce answers with a code, or breaks the connection off in the middle of the body.
func failOnce(w http.ResponseWriter, how string, size int64) {
	if status, err := strconv.Atoi(how); err == nil {
		w.WriteHeader(status)
		return
	}
	connection, buffer, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	fmt.Fprintf(buffer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
	writeBody(buffer, size/2)
	buffer.Flush()
	connection.(*net.TCPConn).SetLinger(0) // so that closing resets
	connection.Close()
}

// accept reads a manifest and answers as POST /jobs does.
func accept(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"job_id": "job-%d"}`, requests.Add(1))
}
