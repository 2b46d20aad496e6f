//go:build cluster

package running

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestANodePullsFromARegistryInPlainHTTPAtAnyPortOfTheHost(t *testing.T) {
	listener, err := net.Listen("tcp", "10.90.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := testcluster.WriteImage(archive, "unused:1"); err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: registryOf(t, archive)}
	go server.Serve(listener) //nolint:errcheck // ends with the test
	t.Cleanup(func() { server.Close() })

	n := testcluster.NewNamespace(t)
	n.Kubectl("run", "pulled", "--image", listener.Addr().String()+"/test/image:1", "--command", "--", "sleep", "100000")
	n.Running("pulled")
}

// registryOf serves the one image of an archive, under any name: the part of the distribution protocol
// that a pull needs.
func registryOf(t *testing.T, archive string) http.Handler {
	t.Helper()
	files := readArchive(t, archive)
	var description []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &description); err != nil {
		t.Fatal(err)
	}
	blobs := map[string][]byte{}
	blob := func(kind string, content []byte) map[string]any {
		sum := sha256.Sum256(content)
		digest := "sha256:" + hex.EncodeToString(sum[:])
		blobs[digest] = content
		return map[string]any{"mediaType": kind, "digest": digest, "size": len(content)}
	}
	const manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": blob("application/vnd.docker.container.image.v1+json", files[description[0].Config]),
		"layers": []any{blob("application/vnd.docker.image.rootfs.diff.tar", files[description[0].Layers[0]])},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifestDigest := fmt.Sprint(blob(manifestType, manifest)["digest"])

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", manifestDigest)
			if name == "1" {
				name = manifestDigest
			}
		}
		content, ok := blobs[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(content) // the puller notices
		}
	})
}

func readArchive(t *testing.T, path string) map[string][]byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	files := map[string][]byte{}
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}
