package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// blob is what is remembered of an object or a part: enough to verify a run without the bytes.
type blob struct {
	size int64
	etag string // without quotes
}

// sinkState is a null S3: blobs by key, and the parts of unfinished uploads by number.
type sinkState struct {
	sync.Mutex
	objects map[string]blob
	uploads map[string]map[int]blob
	started int
}

func newSink() *sinkState {
	return &sinkState{objects: map[string]blob{}, uploads: map[string]map[int]blob{}}
}

func (s *sinkState) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPut:
		s.put(w, r)
	case r.Method == http.MethodPost && query.Has("uploads"):
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", s.begin())
	case r.Method == http.MethodPost:
		io.Copy(io.Discard, r.Body)
		etag := s.complete(r.URL.Path, query.Get("uploadId"))
		fmt.Fprintf(w, `<CompleteMultipartUploadResult><ETag>"%s"</ETag></CompleteMultipartUploadResult>`, etag)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodHead || r.Method == http.MethodGet:
		s.look(w, r)
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
	stored := blob{size, hex.EncodeToString(hash.Sum(nil))}
	query := r.URL.Query()
	s.Lock()
	if parts, ok := s.uploads[query.Get("uploadId")]; ok {
		number, _ := strconv.Atoi(query.Get("partNumber"))
		parts[number] = stored
	} else {
		s.objects[r.URL.Path] = stored
	}
	s.Unlock()
	moments.add(r.URL.Path)
	w.Header().Set("ETag", `"`+stored.etag+`"`)
}

func (s *sinkState) begin() string {
	s.Lock()
	defer s.Unlock()
	s.started++
	id := fmt.Sprintf("u%d", s.started)
	s.uploads[id] = map[int]blob{}
	return id
}

// complete joins all parts in the order of their numbers; the ETag is S3's: MD5 of the parts' MD5s, and how many.
func (s *sinkState) complete(path, id string) string {
	s.Lock()
	defer s.Unlock()
	parts := s.uploads[id]
	delete(s.uploads, id)
	numbers := make([]int, 0, len(parts))
	for number := range parts {
		numbers = append(numbers, number)
	}
	sort.Ints(numbers)
	whole, hash := blob{}, md5.New()
	for _, number := range numbers {
		sum, _ := hex.DecodeString(parts[number].etag)
		hash.Write(sum)
		whole.size += parts[number].size
	}
	whole.etag = fmt.Sprintf("%x-%d", hash.Sum(nil), len(parts))
	s.objects[path] = whole
	return whole.etag
}

func (s *sinkState) look(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	object, ok := s.objects[r.URL.Path]
	s.Unlock()
	if ok {
		w.Header().Set("X-Size", strconv.FormatInt(object.size, 10))
		w.Header().Set("ETag", `"`+object.etag+`"`)
	} else if strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0 {
		http.NotFound(w, r)
	} else {
		fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
	}
}

// bodies counts the objects by size and ETag.
func (s *sinkState) bodies() map[string]int {
	s.Lock()
	defer s.Unlock()
	found := map[string]int{}
	for _, object := range s.objects {
		found[fmt.Sprintf(`%d "%s"`, object.size, object.etag)]++
	}
	return found
}
