// Command receiver takes alerts as Alertmanager's webhook sends them and appends each message to a
// file, one JSON object a line. With -free N it prints N ports of loopback that are free just now,
// and ends.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// maxMessage bounds one message of alerts, in bytes.
const maxMessage = 10 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`ADDR` to serve on")
	out := flag.String("out", "received", "`FILE` that messages are appended to")
	free := flag.Int("free", 0, "print so many free ports, and end")
	flag.Parse()
	var err error
	if *free > 0 {
		err = printPorts(*free)
	} else {
		err = serve(*listen, *out)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// printPorts holds all of them until the last is found, so that they differ.
func printPorts(n int) error {
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		if i > 0 {
			fmt.Print(" ")
		}
		fmt.Print(l.Addr().(*net.TCPAddr).Port)
	}
	fmt.Println()
	return nil
}

func serve(listen, out string) error {
	f, err := os.OpenFile(out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var mu sync.Mutex // guards f
	server := http.Server{
		Addr: listen, ReadTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
			var line bytes.Buffer
			if err == nil {
				err = json.Compact(&line, body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if _, err := fmt.Fprintln(f, line.String()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}),
	}
	return server.ListenAndServe()
}
