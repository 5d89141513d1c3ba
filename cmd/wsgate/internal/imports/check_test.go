package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A listed is what "go list -json" says of a package.
type listed struct {
	Dir        string
	ImportPath string
	Standard   bool
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
	Module     *struct {
		Path string
		Main bool
	}
	Error *struct{ Err string }
}

// list returns the packages of the module in dir and all that they import.
func list(dir string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-deps", "-e",
		"-json=Dir,ImportPath,Standard,GoFiles,CgoFiles,Imports,Module,Error", "./...")
	cmd.Dir = dir
	// Files that import "C" are listed with cgo on only.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOOS=linux", "CGO_ENABLED=1", "PWD="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
	}
}

// check returns what is wrong with the module in dir, sorted, a line each, and
// how many of its packages it has looked at.
func check(dir string) (problems []string, packages int, err error) {
	all, err := list(dir)
	if err != nil {
		return nil, 0, err
	}
	calls, err := syscallFunctions()
	if err != nil {
		return nil, 0, err
	}
	standard := map[string]bool{"C": false}
	for _, p := range all {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range all {
		// node modules carry Go files of their own now and then.
		if p.Module == nil || !p.Module.Main || strings.Contains(p.ImportPath, "/node_modules/") {
			continue
		}
		packages++
		if err := watch(p.Dir, dir); err != nil {
			return nil, 0, err
		}
		path := relative(p.ImportPath, p.Module.Path)
		note := func(format string, args ...any) {
			problems = append(problems, path+": "+fmt.Sprintf(format, args...))
		}
		if p.Error != nil {
			note("%s", p.Error.Err)
		}
		if why := documented(p.Dir); why != "" {
			note("%s", why)
		}
		r, ok := ruleFor(path)
		if !ok {
			note("no rule for this folder")
			continue
		}
		for _, imported := range p.Imports {
			checkImport(r, p, imported, standard[imported], note)
		}
		if !r.calls {
			if err := checkCalls(p, calls, note); err != nil {
				return nil, 0, err
			}
		}
	}
	slices.Sort(problems)
	return problems, packages, nil
}

// watch reads the directories from dir up to root. The go command takes a test
// for unchanged while what the test itself has opened is; what go list reads in
// a process of its own does not count.
func watch(dir, root string) error {
	for ; under(dir, root); dir = filepath.Dir(dir) {
		if _, err := os.ReadDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// relative returns a package's path inside the module, "." for its root.
func relative(path, module string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// checkImport judges one import of p.
func checkImport(r rule, p listed, imported string, standard bool, note func(string, ...any)) {
	inside := under(imported, p.Module.Path)
	switch {
	case imported == "C":
		note("cgo: the programs are built without it")
	case standard:
	case !r.calls && under(imported, "golang.org/x/sys/unix"):
		note("imports %s: system calls belong in splice/sys", imported)
	case inside && !r.allowed(relative(imported, p.Module.Path), true),
		!inside && !r.allowed(imported, false):
		note("imports %s", imported)
	}
}

// documented says what is wrong with the doc.go in dir, or nothing.
func documented(dir string) string {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, "doc.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "no doc.go"
	case err != nil:
		return err.Error()
	case strings.TrimSpace(f.Doc.Text()) == "":
		return "doc.go has no package comment"
	}
	return ""
}

// syscallFunctions returns the names of the functions of package syscall, as
// opposed to its constants (signals, error numbers) and types.
func syscallFunctions() (map[string]bool, error) {
	pkg, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("syscall")
	if err != nil {
		return nil, fmt.Errorf("package syscall: %w", err)
	}
	functions := make(map[string]bool)
	for _, name := range pkg.Scope().Names() {
		if _, ok := pkg.Scope().Lookup(name).(*types.Func); ok {
			functions[name] = true
		}
	}
	return functions, nil
}

// checkCalls looks for functions of package syscall in p's files.
func checkCalls(p listed, functions map[string]bool, note func(string, ...any)) error {
	if !slices.Contains(p.Imports, "syscall") {
		return nil
	}
	for _, name := range append(slices.Clone(p.GoFiles), p.CgoFiles...) {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		local := localName(f, "syscall")
		if local == "" {
			continue
		}
		if local == "." {
			note("%s: dot import of syscall", name)
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && functions[sel.Sel.Name] {
				note("%s:%d: syscall.%s: system calls belong in splice/sys", name, set.Position(n.Pos()).Line, sel.Sel.Name)
			}
			return true
		})
	}
	return nil
}

// localName returns what f calls the package at path, "" when it does not
// import it.
func localName(f *ast.File, path string) string {
	for _, s := range f.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err != nil || p != path {
			continue
		}
		if s.Name != nil {
			return s.Name.Name
		}
		return path[strings.LastIndex(path, "/")+1:]
	}
	return ""
}
