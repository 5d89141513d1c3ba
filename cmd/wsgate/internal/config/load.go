package config

import (
	"fmt"
	"io"
	"os"
)

// maxFile bounds the size of a configuration file, in bytes.
const maxFile = 4 << 20

// Load reads and checks the file at path. With any error the Config is nil;
// else the Errors are nil and the Config has every default filled in. The
// gateway's own resources are not touched: addresses are not bound, files that
// the configuration names are not opened.
func Load(path string) (*Config, Errors) {
	data, err := read(path)
	if err != nil {
		return nil, Errors{{File: path, Msg: err.Error()}}
	}
	return Parse(path, data)
}

// read returns the content of a file, maxFile+1 bytes of it at most.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	return data, nil
}

// cause leaves the operation and the path out of an error of os.
func cause(err error) error {
	if p, ok := err.(*os.PathError); ok {
		return p.Err
	}
	return err
}

// Parse checks a configuration that is in memory; name stands for its file in
// errors. Results are as Load's. Time and memory are bounded whatever data is.
func Parse(name string, data []byte) (*Config, Errors) {
	src := newSource(name, data)
	root := src.parse()
	if len(src.errs) > 0 {
		return nil, src.result()
	}
	d := &decoder{source: src, places: make(map[string]Pos), failed: make(map[string]bool), files: make(map[string]Error)}
	c := Default()
	d.config(value{node: root, pos: place(root)}, c)
	d.validate(c)
	if len(src.errs) > 0 {
		return nil, src.result()
	}
	c.Warnings = d.warnings.sorted()
	c.file, c.files = name, d.files
	return c, nil
}
