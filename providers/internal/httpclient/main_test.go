package httpclient

import (
	"testing"

	"tidegate/providers/internal/httpclient/httpfault"
)

func TestMain(m *testing.M) { httpfault.Main(m, CloseIdle) }
