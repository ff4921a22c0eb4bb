package graphqlhttp

import (
	"mime"
	"strconv"
	"strings"
)

// Media types that can be answered with.
const (
	typeJSON     = "application/json"
	typeResponse = "application/graphql-response+json"
	typeEvents   = "text/event-stream"
)

// chooseType picks the media type to answer with, or "" if the client accepts none. Where the client leaves the choice,
// it is application/json, which every client understands.
func chooseType(accept []string) string {
	header := strings.Join(accept, ",")
	if strings.TrimSpace(header) == "" {
		return typeJSON
	}
	best, bestQ := "", 0.0
	for part := range strings.SplitSeq(header, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil || !isUTF8(params["charset"]) {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch name {
		case "*/*", "application/*":
			name = typeJSON
		case "text/*":
			name = typeEvents
		case typeJSON, typeResponse, typeEvents:
		default:
			continue
		}
		if q > bestQ {
			best, bestQ = name, q
		}
	}
	return best
}

// isJSON tells whether a body is said to be JSON, in the encoding that JSON has.
func isJSON(contentType string) bool {
	name, params, err := mime.ParseMediaType(contentType)
	return err == nil && name == typeJSON && isUTF8(params["charset"])
}

func isUTF8(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}
