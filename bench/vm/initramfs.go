package vm

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// File is one of the guest's.
type File struct {
	Name string // path in the guest, without the first slash
	From string // file here; empty: Data is the content
	Data []byte
	Mode uint32 // permissions
}

// WriteInitramfs writes an archive that Linux takes as its first root (newc
// cpio), with the folders that the names need.
func WriteInitramfs(w io.Writer, files []File) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	archive := cpio.NewWriter(buffered)
	folders := map[string]bool{".": true}
	for _, f := range files {
		if f.Name != path.Clean(f.Name) || path.IsAbs(f.Name) || strings.HasPrefix(f.Name, "..") {
			return fmt.Errorf("initramfs: name %q", f.Name)
		}
		if err := writeFolders(archive, folders, path.Dir(f.Name)); err != nil {
			return err
		}
		if err := writeFile(archive, f); err != nil {
			return fmt.Errorf("initramfs: %s: %w", f.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	return buffered.Flush()
}

// writeFolders writes dir and what is above it, but for what folders has.
func writeFolders(archive *cpio.Writer, folders map[string]bool, dir string) error {
	var missing []string
	for ; !folders[dir]; dir = path.Dir(dir) {
		folders[dir] = true
		missing = append(missing, dir)
	}
	for _, d := range slices.Backward(missing) {
		if err := archive.WriteHeader(&cpio.Header{Name: d, Mode: cpio.TypeDir | 0o755, Links: 2}); err != nil {
			return fmt.Errorf("initramfs: %s: %w", d, err)
		}
	}
	return nil
}

func writeFile(archive *cpio.Writer, f File) error {
	var content io.Reader = strings.NewReader(string(f.Data))
	size := int64(len(f.Data))
	if f.From != "" {
		file, err := os.Open(f.From)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		content, size = file, info.Size()
	}
	err := archive.WriteHeader(&cpio.Header{Name: f.Name, Mode: cpio.TypeReg | cpio.FileMode(f.Mode), Size: size, Links: 1})
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, content)
	return err
}
