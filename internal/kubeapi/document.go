package kubeapi

import (
	"encoding/json"
	"fmt"
)

// document is a JSON object of which only some members are understood; the rest goes back as it came.
type document map[string]json.RawMessage

// child decodes the object below key; an absent one is empty.
func (d document) child(key string) (document, error) {
	child := document{}
	raw, ok := d[key]
	if !ok || string(raw) == "null" {
		return child, nil
	}
	if err := json.Unmarshal(raw, &child); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	return child, nil
}

// read decodes the member key into target, and leaves target alone where there is none.
func (d document) read(key string, target any) error {
	raw, ok := d[key]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return fmt.Errorf("decoding %s: %w", key, err)
	}
	return nil
}

// write encodes value as the member key.
func (d document) write(key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	d[key] = raw
	return nil
}

// copied is a copy that can be changed without changing the original. The values are never changed in place.
func (d document) copied() document {
	other := make(document, len(d))
	for key, raw := range d {
		other[key] = raw
	}
	return other
}

// Meta is the part of an object's metadata that matters here.
type Meta struct {
	Name            string
	UID             string
	ResourceVersion string
	Annotations     map[string]string
}

func readMeta(doc document) (Meta, error) {
	var meta Meta
	metadata, err := doc.child("metadata")
	if err != nil {
		return meta, err
	}
	for key, target := range map[string]any{
		"name": &meta.Name, "uid": &meta.UID, "resourceVersion": &meta.ResourceVersion, "annotations": &meta.Annotations,
	} {
		if err := metadata.read(key, target); err != nil {
			return meta, err
		}
	}
	if meta.Annotations == nil {
		meta.Annotations = map[string]string{}
	}
	return meta, nil
}

// writeMeta puts annotations and resourceVersion back; managedFields are left out, which is far less to send.
func writeMeta(doc document, meta Meta) error {
	metadata, err := doc.child("metadata")
	if err != nil {
		return err
	}
	delete(metadata, "managedFields")
	if err := metadata.write("annotations", meta.Annotations); err != nil {
		return err
	}
	if err := metadata.write("resourceVersion", meta.ResourceVersion); err != nil {
		return err
	}
	return doc.write("metadata", metadata)
}
