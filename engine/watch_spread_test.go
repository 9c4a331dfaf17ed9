package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

// lookTimes is an origin that notes when it was looked at.
type lookTimes struct {
	mutex sync.Mutex
	times []time.Time
}

func (l *lookTimes) Fetch(context.Context, string) (providers.Snapshot, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.times = append(l.times, time.Now())
	return providers.Snapshot{Data: []byte(`1`), Format: "json"}, nil
}

// Many sources are all tried within seconds of the start, and do not come together again an
// interval later: from then on each tenth of the interval sees about a tenth of the looks.
func TestWatchManySourcesStartSoonAndSpread(t *testing.T) {
	const sources, interval = 4000, time.Minute
	var config strings.Builder
	for i := range sources {
		fmt.Fprintf(&config, "source \"count\" \"s%d\" { interval = \"1m\" }\n", i)
	}
	m := newModule(t, "main.hcl", config.String())
	synctest.Test(t, func(t *testing.T) {
		origin := &lookTimes{}
		type empty struct{}
		kind := providers.SourceKind("count", providers.Doc{Summary: "A fake.", Detectors: []string{"hash"}}, func() *empty { return &empty{} },
			func(*empty, providers.Env) (providers.Source, error) { return origin, nil })
		registry, err := providers.NewRegistry(append(all.Kinds(), kind))
		if err != nil {
			t.Fatal(err)
		}
		d, diags := engine.NewDaemon(context.Background(), engine.Options{
			Dir: m.dir, Registry: registry, Environ: m.environ, Command: "test", Version: "0.1.0",
		}, engine.WatchOptions{ConfigInterval: -1})
		if d == nil {
			t.Fatal(diags)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		start := time.Now()
		go func() { ended <- d.Run(ctx) }()
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		if !d.Ready() {
			t.Errorf("not every source was tried after %s", time.Since(start))
		}
		const tenths = 30
		time.Sleep(tenths * interval / 10)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		var counts [tenths]int
		for _, at := range origin.times[sources:] {
			if n := int(at.Sub(start.Add(3500*time.Millisecond)) / (interval / 10)); n >= 0 && n < tenths {
				counts[n]++
			}
		}
		for i, n := range counts {
			if n < sources/10/2 || n > sources/10*2 {
				t.Errorf("%d looks in part %d of the time after the start, want about %d: %v", n, i, sources/10, counts)
				break
			}
		}
	})
}
