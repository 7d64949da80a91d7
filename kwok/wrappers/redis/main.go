// Command redis serves an in-memory Redis on the address given: what Argo CD keeps its cache in.
package main

import (
	"log"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	log.Printf("serving on %s", server.Addr())
	for range time.Tick(time.Second) { // its clock stands still by itself, and nothing would ever expire
		server.FastForward(time.Second)
	}
}
