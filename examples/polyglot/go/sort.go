package main

import (
	"fmt"
	"os"
	"sort"
)

func main() {
	words := os.Args[1:]
	sort.Strings(words)
	for _, word := range words {
		fmt.Println(word)
	}
	fmt.Println("sorted by Go")
}
