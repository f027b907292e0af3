// Command floor serves the two ends of a benchmark, so cheaply that neither is the limit:
//
//	floor origin ADDR   GET /b/<size>/<anything> answers <size> deterministic bytes; /c/ the same without a length;
//	                    ?delay=<ms> waits first, ?status=<code> answers that code instead
//	floor sink ADDR     a null S3: takes PUT and multipart uploads, reads the body, answers with its MD5 as ETag
//
// The real address is printed as one JSON line. GET /stats tells requests, bytes, and how many
// objects there are of each size and ETag. Standard library only.
package main

import (
	"crypto/md5"
	"encoding/hex"
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
	query := r.URL.Query()
	if ms, err := strconv.Atoi(query.Get("delay")); err == nil {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	if status, err := strconv.Atoi(query.Get("status")); err == nil {
		w.WriteHeader(status)
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

// sinkState remembers size and ETag per key, so that a run can be verified without the bytes.
type sinkState struct {
	sync.Mutex
	objects map[string][2]string
	uploads int
}

func (s *sinkState) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPut:
		s.put(w, r)
	case r.Method == http.MethodPost && query.Has("uploads"):
		s.Lock()
		s.uploads++
		id := s.uploads
		s.Unlock()
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>u%d</UploadId></InitiateMultipartUploadResult>", id)
	case r.Method == http.MethodPost:
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"multi"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodHead || r.Method == http.MethodGet:
		s.Lock()
		object, ok := s.objects[r.URL.Path]
		s.Unlock()
		if !ok && strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0 {
			http.NotFound(w, r)
			return
		}
		if ok {
			w.Header().Set("X-Size", object[0])
			w.Header().Set("ETag", object[1])
		} else {
			fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
		}
	}
}

func (s *sinkState) put(w http.ResponseWriter, r *http.Request) {
	hash := md5.New()
	size, err := io.Copy(hash, r.Body)
	if err != nil {
		return
	}
	requests.Add(1)
	bytesSum.Add(size)
	etag := `"` + hex.EncodeToString(hash.Sum(nil)) + `"`
	if !r.URL.Query().Has("partNumber") {
		s.Lock()
		s.objects[r.URL.Path] = [2]string{strconv.FormatInt(size, 10), etag}
		s.Unlock()
	}
	w.Header().Set("ETag", etag)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: floor origin|sink ADDR")
		os.Exit(2)
	}
	sink := &sinkState{objects: map[string][2]string{}}
	role := map[string]http.HandlerFunc{"origin": origin, "sink": sink.serve}[os.Args[1]]
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		sink.Lock()
		defer sink.Unlock()
		bodies := map[string]int{}
		for _, object := range sink.objects {
			bodies[object[0]+" "+object[1]]++
		}
		json.NewEncoder(w).Encode(map[string]any{
			"requests": requests.Load(), "bytes": bytesSum.Load(), "bodies": bodies,
		})
	})
	mux.HandleFunc("/", role)
	listener, err := net.Listen("tcp", os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("{\"address\": %q}\n", listener.Addr().String())
	http.Serve(listener, mux)
}
