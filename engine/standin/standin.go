// Package standin makes sinks that deliver to nobody: what a configuration is tried out with.
package standin

import (
	"context"

	"tidegate/providers"
)

// Target is what stands behind a sink instead of its real target. A nil function does nothing;
// without Read the target cannot be read, as that of a program.
type Target struct {
	// Path is what a sink with a path answers as that, where finding it out anew would cost; ""
	// to ask the real one.
	Path   string
	Read   func() (providers.Observed, error)
	Write  func(providers.Delivery) error
	Delete func() error
}

// Sink returns a sink that tells of itself what the real one does, and delivers to the target.
// The real one is never written, read or deleted. It writes a path where the real one does,
// and has content and exposes values likewise: an engine asks for these by type.
func Sink(real providers.Sink, to Target) providers.Sink {
	base := sink{real, to}
	content, hasContent := real.(providers.Content)
	exposer, hasExposer := real.(providers.Exposer)
	path, hasPath := real.(providers.PathWriter)
	switch {
	case hasContent && hasExposer && hasPath:
		return &file{whole{base, content, exposer}, path}
	case hasContent && hasExposer:
		return &whole{base, content, exposer}
	case hasContent:
		return &contented{base, content}
	case hasExposer:
		return &exposing{base, exposer}
	}
	return &base
}

type sink struct {
	providers.Sink
	to Target
}

// contentful has another name than its method, which it would hide where it is embedded.
type contentful interface{ providers.Content }

type (
	exposing struct {
		sink
		providers.Exposer
	}
	contented struct {
		sink
		contentful
	}
	whole struct {
		sink
		contentful
		providers.Exposer
	}
	file struct {
		whole
		providers.PathWriter
	}
)

func (f *file) WritesPath() string {
	if f.to.Path != "" {
		return f.to.Path
	}
	return f.PathWriter.WritesPath()
}

var _ interface {
	providers.Sink
	providers.Content
	providers.Exposer
	providers.PathWriter
} = (*file)(nil)

func (s sink) Read(context.Context) (providers.Observed, error) {
	if s.to.Read == nil {
		return providers.Observed{Opaque: true}, nil
	}
	return s.to.Read()
}

func (s sink) Write(_ context.Context, d providers.Delivery) error {
	if s.to.Write == nil {
		return nil
	}
	return s.to.Write(d)
}

func (s sink) Delete(context.Context) error {
	if s.to.Delete == nil {
		return nil
	}
	return s.to.Delete()
}
