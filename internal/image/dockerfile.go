package image

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// BuildContext returns the folder that "docker build" must be given to compile s: that of its module, or the one above
// it in which the modules lie that its go.mod, or a go.work in force, takes from folders.
func (t *Toolchain) BuildContext(ctx context.Context, s Source) (string, error) {
	folders := []string{s.Module}
	out, err := t.run(ctx, s.Name, s.Module, slices.Concat(t.Environ, s.Env), "mod", "edit", "-json")
	if err != nil {
		return "", err
	}
	local, err := localFolders(s.Module, out)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", filepath.Join(s.Module, "go.mod"), err)
	}
	folders = append(folders, local...)
	work, err := t.setting(ctx, s, "GOWORK")
	if err != nil {
		return "", err
	}
	if work != "" && work != "off" {
		out, err := t.run(ctx, s.Name, s.Module, slices.Concat(t.Environ, s.Env), "work", "edit", "-json", work)
		if err != nil {
			return "", err
		}
		used, err := localFolders(filepath.Dir(work), out)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", work, err)
		}
		folders = append(append(folders, filepath.Dir(work)), used...)
	}
	common := folders[0]
	for _, folder := range folders[1:] {
		common = commonFolder(common, folder)
	}
	return common, nil
}

// localFolders returns the folders that a go.mod or go.work in dir, as JSON, names.
func localFolders(dir, text string) ([]string, error) {
	var file struct {
		Use     []struct{ DiskPath string }
		Replace []struct {
			New struct{ Path, Version string }
		}
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, err
	}
	var folders []string
	add := func(path string) {
		path = filepath.FromSlash(path)
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		folders = append(folders, path)
	}
	for _, use := range file.Use {
		add(use.DiskPath)
	}
	for _, replace := range file.Replace {
		if replace.New.Version == "" {
			add(replace.New.Path)
		}
	}
	return folders, nil
}

// commonFolder returns the folder that both are in.
func commonFolder(a, b string) string {
	for {
		if relative, err := filepath.Rel(a, b); err == nil && filepath.IsLocal(relative) {
			return a
		}
		parent := filepath.Dir(a)
		if parent == a {
			return a
		}
		a = parent
	}
}

// goRelease is the part of a Go version that images of Go are tagged with.
var goRelease = regexp.MustCompile(`^go(\d+\.\d+)`) //nolint:gochecknoglobals // constant

// Dockerfile returns a Dockerfile that makes the same of s as [Pack] does, in the folder that [Toolchain.BuildContext]
// returns. It needs no frontend and no builder beyond Docker's own.
func (t *Toolchain) Dockerfile(ctx context.Context, spec Spec, s Source) (string, error) {
	context, err := t.BuildContext(ctx, s)
	if err != nil {
		return "", err
	}
	module, err := filepath.Rel(context, s.Module)
	if err != nil {
		return "", err
	}
	dir, err := filepath.Rel(s.Module, s.Dir)
	if err != nil {
		return "", err
	}
	version, err := t.setting(ctx, s, "GOVERSION")
	if err != nil {
		return "", err
	}
	release := goRelease.FindStringSubmatch(version)
	if release == nil {
		return "", fmt.Errorf("write a Dockerfile for %s: %q is no released version of Go", s.Name, version)
	}
	var text strings.Builder
	err = dockerfile.Execute(&text, map[string]any{
		"Spec": spec, "Go": release[1], "Module": filepath.ToSlash(module), "Dir": "./" + filepath.ToSlash(dir),
		"Path": spec.path(), "Linker": linkerFlags, "Health": HealthPath, "HealthPackage": HealthPackage, "HealthFlags": healthFlags,
		"Users": lines(users), "Groups": lines(groups), "Lookup": lines(lookup), "User": User, "ServiceLabel": ServiceLabel, "Zones": zoneFolder, "Own": slices.Equal(spec.Health, []string{HealthPath}),
		"Interval": healthInterval, "Timeout": healthTimeout, "Start": healthStart, "Retries": healthRetries,
	})
	return text.String(), err
}

// lines is a text as printf takes it.
func lines(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// dockerfile has a stage with Go and one with nothing else. Each concern is a layer, as in the images that Pack makes.
var dockerfile = template.Must(template.New("Dockerfile").Funcs(template.FuncMap{ //nolint:gochecknoglobals // constant
	"json":  func(words []string) (string, error) { text, err := json.Marshal(words); return string(text), err },
	"one":   func(word string) []string { return []string{word} },
	"quote": strconv.Quote,
}).Parse(`FROM golang:{{.Go}}-alpine AS build
ENV CGO_ENABLED=0
WORKDIR /src
COPY . .
WORKDIR /src/{{.Module}}
RUN mkdir -p /program /health /empty /system/etc/ssl/certs /system{{.Zones}} /system/tmp \
 && chmod 1777 /system/tmp \
 && printf '{{.Users}}' > /system/etc/passwd \
 && printf '{{.Groups}}' > /system/etc/group \
 && printf '{{.Lookup}}' > /system/etc/nsswitch.conf \
 && cp /etc/ssl/certs/ca-certificates.crt /system/etc/ssl/certs/ \
 && unzip -q /usr/local/go/lib/time/zoneinfo.zip -d /system{{.Zones}}
{{- if .Own}}
RUN go build -mod=readonly -trimpath -buildvcs=false {{.HealthFlags}} -ldflags="{{.Linker}}" -o /health/ {{.HealthPackage}} \
 && mv /health/health /health/panda-health
{{- end}}
RUN go build -trimpath -buildvcs=false -ldflags="{{.Linker}}" -o /program/{{.Spec.Name}} {{.Dir}}

FROM scratch
COPY --from=build /system/ /
{{- if .Own}}
COPY --from=build /health/ /usr/libexec/
{{- end}}
{{- range .Spec.Volumes}}
COPY --from=build --chown={{$.User}} /empty/ {{.}}/
{{- end}}
COPY --from=build /program/ /usr/local/bin/
USER {{.User}}
WORKDIR /
ENV PATH=/usr/local/bin{{range .Spec.Env}} {{.}}{{end}}
{{- range .Spec.Ports}}
EXPOSE {{.}}
{{- end}}
{{- range .Spec.Volumes}}
VOLUME {{json (one .)}}
{{- end}}
STOPSIGNAL SIGTERM
{{- if .Spec.Health}}
HEALTHCHECK --interval={{.Interval}} --timeout={{.Timeout}} --start-period={{.Start}} --retries={{.Retries}} CMD {{json .Spec.Health}}
{{- end}}
LABEL {{.ServiceLabel}}={{quote .Spec.Name}} org.opencontainers.image.title={{quote .Spec.Name}}
{{- if .Spec.Version}} org.opencontainers.image.version={{quote .Spec.Version}}{{end}}
ENTRYPOINT {{json (one .Path)}}
{{- if .Spec.Args}}
CMD {{json .Spec.Args}}
{{- end}}
`))
