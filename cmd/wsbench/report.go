package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"wsgate/bench/compare"
)

func reportCommand() *cobra.Command {
	var results, readme string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "makes the page, the charts and the README's part from latest.json; measures nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := compare.Load(results)
			if err != nil {
				return err
			}
			if err := r.WritePage(results); err != nil {
				return err
			}
			if readme == "" {
				return nil
			}
			folder, err := between(filepath.Dir(readme), results)
			if err != nil {
				return err
			}
			if err := r.EmbedFile(readme, folder); err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "written to", filepath.Join(results, "latest.md"), "and", readme)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&results, "results", filepath.Join("bench", "results"), "folder of latest.json, and of scale.json where there is one")
	f.StringVar(&readme, "readme", "README.md", "page that shows the section; empty writes none")
	return cmd
}

// between is the path of folder to as a link from a page in the folder from.
func between(from, to string) (string, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	if to, err = filepath.Abs(to); err != nil {
		return "", err
	}
	link, err := filepath.Rel(from, to)
	return filepath.ToSlash(link), err
}
