// Prints a line for each entry that Go's archive/tar and compress/gzip find in a payload: go-reader PAYLOAD
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := list(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func list(payload string) error {
	file, err := os.Open(payload)
	if err != nil {
		return err
	}
	inflated, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	archive := tar.NewReader(inflated)
	for {
		entry, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := print(out, entry, archive); err != nil {
			return err
		}
	}
	// Only the end of the stream has the checksum of all before it.
	if _, err := io.Copy(io.Discard, inflated); err != nil {
		return err
	}
	return out.Flush()
}

func print(out io.Writer, entry *tar.Header, content io.Reader) error {
	kinds := map[byte]string{tar.TypeDir: "d", tar.TypeReg: "f", tar.TypeSymlink: "l", tar.TypeLink: "h"}
	digest := "-"
	var size int64
	if entry.Typeflag == tar.TypeReg {
		hash := md5.New()
		var err error
		if size, err = io.Copy(hash, content); err != nil {
			return err
		}
		digest = fmt.Sprintf("%x", hash.Sum(nil))
	}
	owner := fmt.Sprintf("%d:%d:%s:%s", entry.Uid, entry.Gid, entry.Uname, entry.Gname)
	_, err := fmt.Fprintf(out, "%s %o %d %d %s %s %x. %x.\n", kinds[entry.Typeflag], entry.Mode,
		entry.ModTime.Unix(), size, owner, digest, entry.Name, entry.Linkname)
	return err
}
