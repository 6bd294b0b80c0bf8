package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"zecpower/apiclient"
)

const (
	workers   = 8
	chunkSize = apiclient.MaxInstanceIDs
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "eightworkers:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("give ENDPOINT FILE POLL_INTERVAL")
	}
	pollInterval, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	client, err := apiclient.New(apiclient.Config{Endpoint: args[0], MaxConns: workers, Credentials: apiclient.Credentials{
		AccessKeyID:     os.Getenv("ZENLAYER_ACCESS_KEY_ID"),
		AccessKeySecret: apiclient.NewSecret(os.Getenv("ZENLAYER_ACCESS_KEY_SECRET")),
	}})
	if err != nil {
		return err
	}
	defer client.Close()
	ids := strings.Fields(string(data))
	if err := start(client, ids); err != nil {
		return err
	}
	return verify(client, ids, pollInterval)
}

// start starts the instances.
func start(client *apiclient.Client, ids []string) error {
	return inChunks(ids, func(chunk []string) error {
		reply, err := client.StartInstances(context.Background(), chunk)
		if err == nil && len(reply.Failed) > 0 {
			err = fmt.Errorf("%d instances were not accepted, %s first", len(reply.Failed), reply.Failed[0])
		}
		return err
	})
}

// verify describes the instances that were not seen RUNNING, each pollInterval, until none is left.
func verify(client *apiclient.Client, pending []string, pollInterval time.Duration) error {
	for {
		began := time.Now()
		var mu sync.Mutex // guards left
		var left []string
		err := inChunks(pending, func(chunk []string) error {
			page, err := client.DescribeInstancesStatus(context.Background(), apiclient.StatusQuery{InstanceIDs: chunk})
			if err == nil && len(page.Instances) < len(chunk) {
				err = fmt.Errorf("%d of %d instances are listed", len(page.Instances), len(chunk))
			}
			mu.Lock()
			defer mu.Unlock()
			for _, in := range page.Instances {
				if in.State != apiclient.StateRunning {
					left = append(left, in.InstanceID)
				}
			}
			return err
		})
		if err != nil || len(left) == 0 {
			return err
		}
		pending = left
		time.Sleep(time.Until(began.Add(pollInterval)))
	}
}

// inChunks calls do for each chunk of ids, from as many goroutines as there are workers.
func inChunks(ids []string, do func(chunk []string) error) error {
	chunks := make(chan []string)
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for chunk := range chunks {
				if errs[w] == nil {
					errs[w] = do(chunk)
				}
			}
		})
	}
	for chunk := range slices.Chunk(ids, chunkSize) {
		chunks <- chunk
	}
	close(chunks)
	all.Wait()
	return errors.Join(errs...)
}
