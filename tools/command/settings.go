package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"postroom/services/contract"
	"postroom/services/settings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
)

func newSettings() *cobra.Command {
	return group(&cobra.Command{
		Use:   "settings",
		Short: "Show, check and change a box's settings",
		Long:  `Show, check and change a box's settings. They are one TOML file; docs/settings.md says what may stand in it.`,
		Example: `  postroom settings show > postroom.toml
  postroom settings check postroom.toml
  postroom settings apply postroom.toml`,
	},
		newSettingsShow(),
		newSettingsCheck(),
		newSettingsApply(),
	)
}

func newSettingsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the settings in force",
		Long: `Show the settings in force, defaults included, as a settings file. Secrets are never shown: a file with
"[secret]" in it is refused.`,
		Example: `  postroom settings show
  postroom settings show --json | jq .fetch.schedule`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var answer contract.GetSettingsResponse
		if err := ask(cmd, "GetSettings", &contract.GetSettingsRequest{}, &answer); err != nil {
			return err
		}
		if !*asJSON {
			_, err := io.WriteString(cmd.OutOrStdout(), answer.Toml)
			return err
		}
		values := map[string]any{}
		if err := toml.Unmarshal([]byte(answer.Toml), &values); err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), values)
	}
	return cmd
}

func newSettingsCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a settings file",
		Long: `Say what is wrong with a settings file, a line a problem, and change nothing. No box is needed. With "-" for
FILE the text comes from standard input. The exit status is 1 when anything is wrong.`,
		Example: `  postroom settings check postroom.toml
  postroom settings check postroom.toml --json | jq '.problems[].line'`,
		Args: takes("FILE"),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, text, err := readSettings(cmd, args[0])
		if err != nil {
			return err
		}
		_, err = settings.Parse(name, text)
		var invalid *settings.Invalid
		if err != nil && !errors.As(err, &invalid) {
			return err
		}
		if *asJSON {
			if err := printJSON(cmd.OutOrStdout(), newSettingsReport(invalid)); err != nil {
				return err
			}
		} else if invalid == nil {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is good\n", name)
			return err
		} else {
			tellLines(cmd, invalid.Error())
		}
		if invalid != nil {
			return errTold
		}
		return nil
	}
	return cmd
}

// settingsReport is the shape of settings check --json.
type settingsReport struct {
	Good     bool            `json:"good"`
	Problems []problemReport `json:"problems"`
}

type problemReport struct {
	File  string `json:"file"`
	Line  int    `json:"line"` // 0: none is to blame
	Path  string `json:"path"`
	Wrong string `json:"wrong"`
	Right string `json:"right"`
}

func newSettingsReport(invalid *settings.Invalid) settingsReport {
	r := settingsReport{Good: invalid == nil, Problems: []problemReport{}}
	if invalid != nil {
		for _, p := range invalid.Problems {
			r.Problems = append(r.Problems, problemReport{p.File, p.Line, p.Path, p.Wrong, p.Right})
		}
	}
	return r
}

func newSettingsApply() *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE",
		Short: "Put a settings file in force",
		Long: `Put a settings file in force, at once and without a restart. What the file leaves out has its default. A file in
which anything is wrong changes nothing: each problem is told, a line a problem, with exit status 1. With "-"
for FILE the text comes from standard input.`,
		Example: `  postroom settings apply postroom.toml
  postroom --host mail.example.org settings apply postroom.toml`,
		Args: takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, text, err := readSettings(cmd, args[0])
			if err != nil {
				return err
			}
			return with(cmd, func(ctx context.Context, b box) error {
				var answer contract.ApplySettingsResponse
				if err := b.Call(ctx, "ApplySettings", &contract.ApplySettingsRequest{File: name, Text: text}, &answer); err != nil {
					return err
				}
				if answer.Problem != "" {
					tellLines(cmd, answer.Problem)
					return errTold
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is in force\n", name)
				return err
			})
		},
	}
}

// readSettings reads the file of a command, and gives what messages call it.
func readSettings(cmd *cobra.Command, file string) (name string, text []byte, err error) {
	from := cmd.InOrStdin()
	name = "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", nil, err
		}
		defer f.Close()
		from, name = f, file
	}
	// One octet more than may be, so that Parse refuses it.
	text, err = io.ReadAll(io.LimitReader(from, settings.MaxFile+1))
	if err != nil {
		return "", nil, fmt.Errorf("read settings: %w", err)
	}
	return name, text, nil
}

// tellLines writes problems to standard error, a line each.
func tellLines(cmd *cobra.Command, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(cmd.ErrOrStderr(), printable(line))
	}
}
