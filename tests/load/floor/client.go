package main

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// bufferSize of a connection: large enough that system calls are not what is measured.
const bufferSize = 256 << 10

var client = &http.Client{Transport: &http.Transport{
	DisableCompression: true, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
}}

// transfer does one thing to all URLs at once and prints how long that took.
func transfer(urls []string, one func(string) error) {
	faults := make(chan error)
	started := time.Now()
	for _, url := range urls {
		go func() { faults <- one(url) }()
	}
	for range urls {
		if err := <-faults; err != nil {
			exit(1, err)
		}
	}
	fmt.Printf("{\"seconds\": %f}\n", time.Since(started).Seconds())
}

func get(url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, answer.Status)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, answer.Body, make([]byte, bufferSize))
	return err
}

// repeated reads the pattern over and over.
type repeated struct{ at int }

func (r *repeated) Read(into []byte) (int, error) {
	n := copy(into, pattern[r.at:])
	r.at = (r.at + n) % patternSize
	return n, nil
}

func put(url string, size int64) error {
	request, err := http.NewRequest(http.MethodPut, url, io.LimitReader(&repeated{}, size))
	if err != nil {
		return err
	}
	request.ContentLength = size
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("PUT %s: %s", url, answer.Status)
	}
	return nil
}
