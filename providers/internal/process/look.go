package process

import (
	"errors"
	"fmt"
)

func notFound(why string) error { return fmt.Errorf("%w: %s", ErrNotFound, why) }

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
