package pki

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
)

// WriteKubeconfig writes how to reach a server with one of the authority's certificates. The file is
// complete in itself, so that it can be copied elsewhere. JSON is YAML, and needs no library.
func (a *Authority) WriteKubeconfig(path, server, name string) error {
	data := map[string]string{}
	for field, file := range map[string]string{
		"certificate-authority-data": a.Cert("ca"),
		"client-certificate-data":    a.Cert(name),
		"client-key-data":            a.Key(name),
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
		}
		data[field] = base64.StdEncoding.EncodeToString(content)
	}
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "localcluster",
		"clusters": []any{map[string]any{"name": "localcluster", "cluster": map[string]any{
			"server": server, "certificate-authority-data": data["certificate-authority-data"]}}},
		"users": []any{map[string]any{"name": name, "user": map[string]any{
			"client-certificate-data": data["client-certificate-data"], "client-key-data": data["client-key-data"]}}},
		"contexts": []any{map[string]any{"name": "localcluster", "context": map[string]any{
			"cluster": "localcluster", "user": name}}},
	}
	content, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
	}
	return nil
}
