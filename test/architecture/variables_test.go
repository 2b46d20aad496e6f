package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoVariableChangesBehindAnybodysBack holds: a variable of a package is a table that is read, never
// written. Clocks, randomness, clients and settings are passed in.
func TestNoVariableChangesBehindAnybodysBack(t *testing.T) {
	byPackage := map[string]map[string]*ast.File{}
	files := token.NewFileSet()
	for name, content := range sources(t, ".go") {
		if generated(content) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(files, name, content, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		key := filepath.Dir(name) + " " + parsed.Name.Name
		if byPackage[key] == nil {
			byPackage[key] = map[string]*ast.File{}
		}
		byPackage[key][name] = parsed
	}
	for _, parsed := range byPackage {
		variables := map[string]bool{}
		for _, file := range parsed {
			collect(file, variables)
		}
		for _, file := range parsed {
			for _, found := range writes(files, file, variables) {
				t.Error(found)
			}
		}
	}
}

// collect the names of a file's package-level variables.
func collect(file *ast.File, into map[string]bool) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			if values, ok := spec.(*ast.ValueSpec); ok {
				for _, name := range values.Names {
					into[name.Name] = name.Name != "_" // which holds nothing
				}
			}
		}
	}
}

// writes to package-level variables within functions. A local variable of the same name hides them: such a
// function is judged by its own declarations.
func writes(files *token.FileSet, file *ast.File, variables map[string]bool) []string {
	var found []string
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil {
			continue
		}
		hidden := locals(function)
		check := func(target ast.Expr, how string) {
			name := baseName(target)
			if name != "" && variables[name] && !hidden[name] {
				found = append(found, fmt.Sprintf("%s: the package's variable %s is %s: pass it in, or keep it in a struct",
					files.Position(target.Pos()), name, how))
			}
		}
		ast.Inspect(function.Body, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.AssignStmt:
				if node.Tok != token.DEFINE {
					for _, target := range node.Lhs {
						check(target, "assigned")
					}
				}
			case *ast.IncDecStmt:
				check(node.X, "changed")
			case *ast.CallExpr:
				if called, ok := node.Fun.(*ast.Ident); ok && (called.Name == "delete" || called.Name == "clear") && len(node.Args) > 0 {
					check(node.Args[0], "emptied")
				}
			}
			return true
		})
	}
	return found
}

// baseName of a.b[c].d is a.
func baseName(expression ast.Expr) string {
	for {
		switch node := expression.(type) {
		case *ast.Ident:
			return node.Name
		case *ast.IndexExpr:
			expression = node.X
		case *ast.SelectorExpr:
			expression = node.X
		case *ast.StarExpr:
			expression = node.X
		case *ast.ParenExpr:
			expression = node.X
		default:
			return ""
		}
	}
}

// locals are all names that a function declares, anywhere in it.
func locals(function *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(function, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Field:
			for _, name := range node.Names {
				names[name.Name] = true
			}
		case *ast.AssignStmt:
			if node.Tok == token.DEFINE {
				for _, target := range node.Lhs {
					names[baseName(target)] = true
				}
			}
		case *ast.RangeStmt:
			if node.Tok == token.DEFINE && node.Key != nil {
				names[baseName(node.Key)] = true
			}
			if node.Tok == token.DEFINE && node.Value != nil {
				names[baseName(node.Value)] = true
			}
		case *ast.ValueSpec:
			for _, name := range node.Names {
				names[name.Name] = true
			}
		}
		return true
	})
	return names
}
