// Command floor serves the two ends of a benchmark, so cheaply that neither is the limit, and measures each end alone:
//
//	floor origin ADDR    GET /b/<size>/<anything> answers <size> deterministic bytes; /c/ the same without a length;
//	                     ?delay=<ms> waits first, ?status=<code> answers that code instead,
//	                     ?once=<code> when a path is asked for the first time, ?once=reset breaks off then
//	floor proxy ADDR...  the same behind the credentials bench:secret: proxies that have cached the origin
//	floor accept ADDR    answers POST as an API that takes every job
//	floor sink ADDR      a null S3: takes PUT and multipart uploads, reads the body, answers with the ETag S3 would give
//	floor get URL...     reads all of them at once and throws the bodies away
//	floor put SIZE URL...  sends a body to all of them at once
//
// A server prints its real addresses as one JSON line. GET /stats tells requests, bytes, and how many
// objects there are of each size and ETag; GET /moments, when each path was asked for or stored.
// The clients print the seconds they took. Standard library only.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const patternSize = 1 << 20

var (
	pattern  = makePattern()
	requests atomic.Int64
	bytesSum atomic.Int64
	moments  = timeline{seen: map[string][]float64{}}
)

// makePattern fills one MiB with bytes that differ by position, so that a shifted body cannot go unnoticed.
func makePattern() []byte {
	out := make([]byte, patternSize)
	state := uint32(2463534242)
	for i := range out {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		out[i] = byte(state)
	}
	return out
}

func writeBody(w io.Writer, size int64) {
	for size > 0 {
		n := min(size, patternSize)
		if _, err := w.Write(pattern[:n]); err != nil {
			return
		}
		size -= n
	}
}

func origin(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if len(parts) < 2 {
		http.NotFound(w, r)
		return
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	times := moments.add(r.URL.Path)
	query := r.URL.Query()
	if ms, err := strconv.Atoi(query.Get("delay")); err == nil {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	if status, err := strconv.Atoi(query.Get("status")); err == nil {
		w.WriteHeader(status)
		return
	}
	if once := query.Get("once"); once != "" && times == 1 {
		failOnce(w, once, size)
		return
	}
	requests.Add(1)
	bytesSum.Add(size)
	w.Header().Set("Content-Type", "application/octet-stream")
	if parts[0] == "c" {
		w.(http.Flusher).Flush()
	} else {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	writeBody(w, size)
}

// timeline remembers when each path was asked for (origin) or stored (sink), in Unix seconds.
type timeline struct {
	sync.Mutex
	seen map[string][]float64
}

// add returns how many times that makes.
func (t *timeline) add(path string) int {
	at := float64(time.Now().UnixMicro()) / 1e6
	t.Lock()
	defer t.Unlock()
	t.seen[path] = append(t.seen[path], at)
	return len(t.seen[path])
}

func (t *timeline) answer(w http.ResponseWriter, _ *http.Request) {
	t.Lock()
	defer t.Unlock()
	json.NewEncoder(w).Encode(t.seen)
}

func serve(addresses []string, role http.HandlerFunc, bodies func() map[string]int) {
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"requests": requests.Load(), "bytes": bytesSum.Load(), "bodies": bodies(),
		})
	})
	mux.HandleFunc("/moments", moments.answer)
	mux.HandleFunc("/", role)
	listeners := make([]net.Listener, len(addresses))
	real := make([]string, len(addresses))
	for i, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			exit(1, err)
		}
		listeners[i], real[i] = listener, listener.Addr().String()
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"address": real[0], "addresses": real})
	for _, listener := range listeners[1:] {
		go http.Serve(listener, mux)
	}
	exit(1, http.Serve(listeners[0], mux))
}

func noBodies() map[string]int { return nil }

func exit(code int, reason any) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(code)
}

func main() {
	role, words := "", []string{}
	if len(os.Args) > 2 {
		role, words = os.Args[1], os.Args[2:]
	}
	switch role {
	case "origin":
		serve(words, origin, noBodies)
	case "proxy":
		serve(words, proxy, noBodies)
	case "accept":
		serve(words, accept, noBodies)
	case "sink":
		sink := newSink()
		serve(words, sink.serve, sink.bodies)
	case "get":
		transfer(words, get)
	case "put":
		size, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			exit(2, err)
		}
		transfer(words[1:], func(url string) error { return put(url, size) })
	default:
		exit(2, "usage: floor origin|proxy|sink|accept ADDR | get URL... | put SIZE URL...")
	}
}
