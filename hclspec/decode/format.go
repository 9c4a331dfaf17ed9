package decode

import (
	"fmt"
	"mime"
	"net/url"
	"path"
	"strings"
)

// Format is the way a document is written, by the name that `decode` uses.
type Format string

// The formats of this version.
const (
	JSON       Format = "json"       // RFC 8259
	YAML       Format = "yaml"       // 1.2 core schema, with merge keys
	TOML       Format = "toml"       // 1.0
	HCL        Format = "hcl"        // attributes and blocks with constant values
	Env        Format = "env"        // NAME=value, as in .env files
	Properties Format = "properties" // of Java
	INI        Format = "ini"        // sections of key = value
	CSV        Format = "csv"        // RFC 4180, with a line of names
	Text       Format = "text"       // one string, UTF-8
	Bytes      Format = "bytes"      // one string, the base64 of any bytes
)

// Formats lists the formats in the order the documentation does.
func Formats() []Format {
	return []Format{JSON, YAML, TOML, HCL, Env, Properties, INI, CSV, Text, Bytes}
}

// ParseFormat returns the format called name. The error lists the valid names.
func ParseFormat(name string) (Format, error) {
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
	}
	if near := nearestFormat(name); near != "" {
		return "", fmt.Errorf("there is no format %s; did you mean %q? decode is one of %s", quoteKey(name), near, formatList())
	}
	return "", fmt.Errorf("there is no format %s; decode is one of %s", quoteKey(name), formatList())
}

// Choose picks the format of a document. The name given as `decode` wins; else the
// ending of its path or of the path of its URL decides (.json .yaml .yml .toml .hcl
// .env .properties .ini .csv .txt, in any case), then a JSON, YAML or TOML content type. Anything else is an error that says to
// set decode. The arguments may be empty.
func Choose(explicit, pathOrURL, contentType string) (Format, error) {
	if explicit != "" {
		return ParseFormat(explicit)
	}
	ending := ending(pathOrURL)
	switch ending {
	case ".json":
		return JSON, nil
	case ".yaml", ".yml":
		return YAML, nil
	case ".toml":
		return TOML, nil
	case ".hcl", ".env", ".properties", ".ini", ".csv":
		return Format(ending[1:]), nil
	case ".txt":
		return Text, nil
	}
	if f := mediaFormat(mediaType(contentType)); f != "" {
		return f, nil
	}
	var clues []string
	if ending != "" {
		clues = append(clues, "the ending "+quoteKey(ending))
	}
	if contentType != "" {
		clues = append(clues, "the content type "+quoteKey(mediaType(contentType)))
	}
	why := "neither an ending nor a content type says what the format is"
	if len(clues) > 0 {
		why = strings.Join(clues, " and ") + " do not say what the format is"
		if len(clues) == 1 {
			why = clues[0] + " does not say what the format is"
		}
	}
	return "", fmt.Errorf("%s; set decode to one of %s", why, formatList())
}

// Contradicts returns an error when contentType says that the document is something
// else than f, as when a login page arrives in place of JSON. An empty type, text/plain,
// application/octet-stream and types it does not know never contradict; for YAML, JSON does not
// either, being a part of it. For Text only images, sound, video and fonts do, for Bytes nothing.
func Contradicts(f Format, contentType string) error {
	mt := mediaType(contentType)
	if f == Bytes || mt == "" {
		return nil
	}
	said := mediaFormat(mt)
	wrong := false
	switch {
	case isMedia(mt):
		wrong = true
	case f == Text, f == CSV && mt == "text/csv":
	case said != "":
		wrong = said != f && !(f == YAML && said == JSON)
	default:
		wrong = isForeign(mt)
	}
	if !wrong {
		return nil
	}
	return fmt.Errorf("the content type %s contradicts the format %s; check the address, or set decode", quoteKey(mt), f)
}

func mediaFormat(mt string) Format {
	switch mt {
	case "application/json", "text/json":
		return JSON
	case "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml":
		return YAML
	case "application/toml", "text/toml", "text/x-toml", "application/x-toml":
		return TOML
	}
	switch {
	case strings.HasSuffix(mt, "+json"):
		return JSON
	case strings.HasSuffix(mt, "+yaml"):
		return YAML
	case strings.HasSuffix(mt, "+toml"):
		return TOML
	}
	return ""
}

func isMedia(mt string) bool {
	kind, _, _ := strings.Cut(mt, "/")
	switch kind {
	case "image", "audio", "video", "font", "model":
		return true
	}
	return false
}

// isForeign reports whether mt is surely none of our formats but CSV.
func isForeign(mt string) bool {
	switch mt {
	case "text/html", "application/xhtml+xml", "text/xml", "application/xml",
		"text/css", "text/csv", "text/markdown", "application/pdf",
		"application/zip", "application/gzip", "application/x-gzip", "application/x-tar",
		"application/x-www-form-urlencoded":
		return true
	}
	return strings.HasSuffix(mt, "+xml") || strings.HasSuffix(mt, "+zip") || strings.HasPrefix(mt, "multipart/")
}

// mediaType is the type without parameters, in lower case.
func mediaType(contentType string) string {
	mt, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		return mt
	}
	// A broken parameter does not make the type itself unknown.
	mt, _, _ = strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(mt))
}

// ending is the lower-case ending of a path or of the path of a URL, with its dot.
func ending(pathOrURL string) string {
	p := pathOrURL
	if strings.Contains(p, "://") {
		u, err := url.Parse(p)
		if err != nil {
			return ""
		}
		p = u.Path
	}
	return strings.ToLower(path.Ext(p))
}

func formatList() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// nearestFormat returns the name within two edits of name, or "".
func nearestFormat(name string) Format {
	aliases := map[string]Format{"yml": YAML, "dotenv": Env, "txt": Text, "string": Text, "plain": Text, "binary": Bytes, "base64": Bytes}
	lower := strings.ToLower(name)
	if f, ok := aliases[lower]; ok {
		return f
	}
	best, bestAt := Format(""), 3
	if len(lower) > 20 {
		return ""
	}
	for _, f := range Formats() {
		if n := edits(lower, string(f)); n < bestAt {
			best, bestAt = f, n
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
