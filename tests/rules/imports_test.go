// Package rules holds the code to who may import whom.
package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "postroom/"

// shared are the packages that services share, each with a named home.
var shared = []string{"services/wire", "services/bodies", "services/mail", "services/settings", "services/contract", "services/process",
	"services/gate", "services/sasl", "services/certificate", "services/resolver"}

// mayImport says, by the folder of a package, which other folders of the project it may import. A folder's own
// packages are always allowed.
var mayImport = []struct {
	folder string
	others []string
}{
	{"board", nil},
	{"image", []string{"board"}},
	{"init", []string{"board", "services/contract", "services/settings", "services/resolver"}},
	{"services/wire", shared},
	{"services/bodies", shared},
	{"services/mail", shared},
	{"services/settings", shared},
	{"services/contract", shared},
	{"services/process", nil},
	{"services/gate", shared},
	{"services/sasl", shared},
	{"services/certificate", shared},
	{"services/resolver", shared},
	{"services/store", shared},
	{"services/pop3", shared},
	{"services/smtp", shared},
	{"services/fetcher", shared},
	{"services/validator", shared},
	{"services/console", shared},
	{"tools", []string{""}},
	{"tests", []string{""}},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	cmd.Env = append(cmd.Environ(), "GOOS=linux")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := json.NewDecoder(bytes.NewReader(out))
	n := 0
	for {
		var p goPackage
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		folder, others, known := rule(strings.TrimPrefix(p.ImportPath, module))
		if !known {
			t.Errorf("%s is in none of the house's folders", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			of, ours := strings.CutPrefix(imported, module)
			if ours && !within(of, append([]string{folder}, others...)) {
				t.Errorf("%s imports %s; %s may import only %q", p.ImportPath, imported, folder, others)
			}
		}
	}
	if n < 10 {
		t.Errorf("go list gave %d packages", n)
	}
}

func rule(name string) (folder string, others []string, known bool) {
	for _, r := range mayImport {
		if within(name, []string{r.folder}) {
			return r.folder, r.others, true
		}
	}
	return "", nil, false
}

func within(name string, folders []string) bool {
	for _, f := range folders {
		if f == "" || name == f || strings.HasPrefix(name, f+"/") {
			return true
		}
	}
	return false
}
