package call

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
)

// parseMetadata reads key=value pairs. The value of a key that ends in -bin is base64, of either
// alphabet's standard form, padded or not.
func parseMetadata(pairs []string) (metadata.MD, error) {
	md := metadata.MD{}
	for _, pair := range pairs {
		key, text, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("metadata %q has no =", pair)
		}
		key = strings.ToLower(key)
		if err := checkKey(key); err != nil {
			return nil, err
		}
		text, err := metadataValue(key, text)
		if err != nil {
			return nil, err
		}
		md.Append(key, text)
	}
	return md, nil
}

func checkKey(key string) error {
	wrong := strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
	switch {
	case key == "" || wrong:
		return fmt.Errorf("metadata key %q: only letters, digits and -_. can be sent", key)
	case strings.HasPrefix(key, "grpc-"):
		return fmt.Errorf("metadata key %q: keys that begin with grpc- are gRPC's own", key)
	}
	return nil
}

// metadataValue does not show the value in its error: it may be a secret.
func metadataValue(key, text string) (string, error) {
	if !strings.HasSuffix(key, "-bin") {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "", fmt.Errorf("metadata %s: only printable ASCII can be sent; for anything else use a key ending in -bin", key)
		}
		return text, nil
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return "", fmt.Errorf("metadata %s: its value is not base64: %w", key, err)
	}
	return string(raw), nil
}

// printMetadata prints "header: key: value" lines, sorted by key, -bin values in base64.
func printMetadata(w io.Writer, kind string, md metadata.MD) {
	for _, key := range slices.Sorted(maps.Keys(md)) {
		for _, text := range md[key] {
			if strings.HasSuffix(key, "-bin") {
				text = base64.StdEncoding.EncodeToString([]byte(text))
			}
			_, _ = fmt.Fprintf(w, "%s: %s: %q\n", kind, key, text) // quoted, so that it cannot steer a terminal
		}
	}
}
