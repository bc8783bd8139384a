package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Document is what the agent keeps and tells, and does not act on: settings of features that it does not have. One that
// a [View] returned is shared and must not be changed.
type Document struct {
	Class       string // what it is of: each has names of its own
	Name        string // in any case
	Content     json.RawMessage
	CreateIndex uint64
	ModifyIndex uint64
}

// Coordinates is the class of the places of nodes in the network. A node's goes with it.
const Coordinates = "coordinate"

// Documents is the topic of all documents of a class.
func Documents(class string) Topic { return Topic{"documents", class} }

// Documents returns the documents of a class, by name.
func (v View) Documents(class string) []*Document {
	return slices.Collect(rows[Document](v, tableDocuments, byClass, class))
}

// Document returns the document of a class with that name, or nil.
func (v View) Document(class, name string) *Document {
	return one[Document](v, tableDocuments, byID, class, name)
}

// SetDocument adds the document or replaces the one of its class and name.
func (w *Writer) SetDocument(class, name string, content json.RawMessage) error {
	if class == "" || name == "" {
		return fmt.Errorf("set document %q of %q: %w", name, class, errNoName)
	}
	after := &Document{Class: class, Name: name, Content: bytes.Clone(content), CreateIndex: w.index, ModifyIndex: w.index}
	if before := w.Document(class, name); before != nil {
		if before.Name == name && bytes.Equal(before.Content, content) {
			return nil
		}
		after.CreateIndex = before.CreateIndex
	}
	w.put(tableDocuments, after)
	w.touch(Documents(class))
	return nil
}

// DeleteDocument removes the document, and reports whether there was one.
func (w *Writer) DeleteDocument(class, name string) bool {
	document := w.Document(class, name)
	if document == nil {
		return false
	}
	w.remove(tableDocuments, document)
	w.touch(Documents(class))
	return true
}
