package graphqlexec

import (
	"container/list"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

// documentCache keeps the documents used most recently, bounded by the bytes of their texts. It is safe for
// concurrent use.
type documentCache struct {
	maxBytes int

	mu    sync.Mutex
	bytes int
	byUse *list.List // of *cachedDocument, the most recently used first
	index map[string]*list.Element
}

type cachedDocument struct {
	text string
	doc  *ast.QueryDocument
}

func newDocumentCache(maxBytes int) *documentCache {
	return &documentCache{maxBytes: maxBytes, byUse: list.New(), index: map[string]*list.Element{}}
}

func (c *documentCache) get(text string) *ast.QueryDocument {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.index[text]
	if !ok {
		return nil
	}
	c.byUse.MoveToFront(el)
	return el.Value.(*cachedDocument).doc
}

func (c *documentCache) add(text string, doc *ast.QueryDocument) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.index[text]; ok || len(text) > c.maxBytes {
		return
	}
	c.index[text] = c.byUse.PushFront(&cachedDocument{text: text, doc: doc})
	for c.bytes += len(text); c.bytes > c.maxBytes; {
		oldest := c.byUse.Remove(c.byUse.Back()).(*cachedDocument)
		delete(c.index, oldest.text)
		c.bytes -= len(oldest.text)
	}
}
