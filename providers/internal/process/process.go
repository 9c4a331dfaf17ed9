package process

import (
	"context"
	"os"
	"os/exec"
	"time"
)

// DefaultGrace is how long a program has between SIGTERM and SIGKILL.
const DefaultGrace = 5 * time.Second

// drain is how long output is awaited after the program ended: only descendants can still
// hold it open then.
const drain = time.Second

// TailSize is how much of the end of standard error is kept.
const TailSize = 1 << 20

// Command says what to run.
type Command struct {
	Args    []string      // at least the program; one without a slash is looked up in Env's PATH
	Dir     string        // absolute; a relative program with a slash is below it
	Env     []string      // all of it, "K=V"
	Stdin   []byte        // nil for /dev/null
	Timeout time.Duration // 0 for none but the context's
	Grace   time.Duration // 0 for DefaultGrace
	// MaxStdout bounds standard output: one byte more stops the program, and the error is
	// ErrOutput. 0 keeps the last TailSize bytes and never stops.
	MaxStdout int64
	// Keep, if not nil, is open in the program too, so that a lock on it (Hold) lasts as long as
	// the program runs, whatever becomes of us.
	Keep *os.File
	// Redact removes secrets from the end of standard error before it goes into an error.
	Redact func(string) string
}

// Result is what a program left.
type Result struct {
	ExitCode int
	Stdout   []byte
	Stderr   []byte // its end
}

// Run runs a program to its end and reaps it. The error is nil when it exited, whatever its
// status: which status means success is the caller's to say (Result.Failed). Otherwise it
// is an *Error.
func Run(ctx context.Context, c Command) (Result, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Timeout, ErrTimeout)
		defer cancel()
	}
	if ctx.Err() != nil {
		return Result{}, &Error{Program: c.Args[0], Reason: "was not started", Err: context.Cause(ctx)}
	}
	r := &run{Command: c, over: make(chan struct{})}
	if err := r.start(); err != nil {
		return Result{}, err
	}
	return r.finish(r.supervise(ctx))
}

// run is one program on its way.
type run struct {
	Command
	cmd    *exec.Cmd
	stdin  *os.File // our ends of the pipes
	stdout *stream
	stderr *stream
	over   chan struct{} // closed at more output than allowed
	ended  chan struct{} // closed when the program ended; then state and err may be read
	state  *os.ProcessState
	err    error
}

func (r *run) start() error {
	path, err := look(r.Args[0], r.Dir, r.Env)
	if err != nil {
		return explainStart(r.Command, path, err)
	}
	r.cmd = &exec.Cmd{Path: path, Args: r.Args, Dir: r.Dir, Env: r.Env, SysProcAttr: session(), ExtraFiles: keep(r.Keep)}
	if r.Env == nil {
		r.cmd.Env = []string{} // nil would hand on everything
	}
	theirs, err := r.pipes()
	if err == nil {
		if err = r.cmd.Start(); err != nil {
			err = explainStart(r.Command, path, err)
		}
	}
	closeAll(theirs...)
	if err != nil {
		r.closeOurs()
		return err
	}
	r.pump()
	return nil
}

// pipes makes the three streams and returns the program's ends of them.
func (r *run) pipes() (theirs []*os.File, err error) {
	pipe := func() (read, write *os.File) {
		if err == nil {
			read, write, err = os.Pipe()
		}
		return read, write
	}
	outRead, outWrite := pipe()
	errRead, errWrite := pipe()
	theirs = []*os.File{outWrite, errWrite}
	if r.Stdin != nil {
		var in *os.File
		in, r.stdin = pipe()
		theirs = append(theirs, in)
		if in != nil {
			r.cmd.Stdin = in
		}
	}
	r.stdout = &stream{file: outRead, max: r.MaxStdout, done: make(chan struct{})}
	r.stderr = &stream{file: errRead, done: make(chan struct{})}
	if err == nil {
		// Files and not writers: exec would wait for the pipes before it lets us have the
		// program's end.
		r.cmd.Stdout, r.cmd.Stderr = outWrite, errWrite
	}
	return theirs, err
}

// pump starts what moves the bytes and what waits for the end.
func (r *run) pump() {
	go r.stdout.copy(r.over)
	go r.stderr.copy(nil)
	if r.stdin != nil {
		go func() {
			r.stdin.Write(r.Stdin) // a program need not read its input
			r.stdin.Close()
		}()
	}
	r.ended = make(chan struct{})
	go func() {
		defer close(r.ended)
		r.state, r.err = awaitEnd(r.cmd.Process)
	}()
}

// supervise waits for the program's end and brings it about when it has to. It returns why.
func (r *run) supervise(ctx context.Context) error {
	select {
	case <-r.ended:
		return r.settle(ctx)
	case <-ctx.Done():
		r.stop()
		return context.Cause(ctx)
	case <-r.over:
		r.stop()
		return ErrOutput
	}
}

// stop ends the whole group, gently for the grace period. The open output of its other
// members tells that they are still at it when the program itself has ended.
func (r *run) stop() {
	terminate(r.cmd)
	grace := time.After(r.grace())
	for _, done := range []<-chan struct{}{r.ended, r.stdout.done, r.stderr.done} {
		select {
		case <-done:
			continue
		case <-grace:
		}
		break
	}
	kill(r.cmd)
}

func (r *run) grace() time.Duration {
	if r.Grace > 0 {
		return r.Grace
	}
	return DefaultGrace
}

// settle gives what the program left behind a moment to close its output, and kills it.
func (r *run) settle(ctx context.Context) error {
	defer kill(r.cmd)
	late := time.After(drain)
	for _, s := range []*stream{r.stdout, r.stderr} {
		select {
		case <-s.done:
		case <-late:
			return nil
		case <-ctx.Done():
			return nil // it had ended in time
		case <-r.over:
			return ErrOutput
		}
	}
	return nil
}

// finish reaps the program and collects what it wrote.
func (r *run) finish(why error) (Result, error) {
	late := time.After(drain)
	for _, done := range []<-chan struct{}{r.ended, r.stdout.done, r.stderr.done} {
		select {
		case <-done:
			continue
		case <-late: // a session of its own still holds the pipe
		}
		break
	}
	r.closeOurs()
	<-r.stdout.done
	<-r.stderr.done
	select {
	case <-r.ended:
		r.reap()
	default: // the kernel does not let it die, for example on a dead network disk
		go func() { <-r.ended; r.reap() }()
		return Result{}, r.fail(Result{ExitCode: -1, Stderr: r.stderr.bytes()}, "was killed and does not die", why)
	}
	if why == nil && r.stdout.tooMuch {
		why = ErrOutput
	}
	res := Result{ExitCode: -1, Stdout: r.stdout.bytes(), Stderr: r.stderr.bytes()}
	if r.state != nil {
		res.ExitCode = r.state.ExitCode()
	}
	return res, r.verdict(res, why)
}

func (r *run) reap() {
	if r.state == nil && r.err == nil {
		r.state, r.err = r.cmd.Process.Wait()
	}
}

func (r *run) verdict(res Result, why error) error {
	switch {
	case why != nil:
		return r.stopped(res, why)
	case r.err != nil:
		return r.fail(res, "could not be waited for", r.err)
	case signalOf(r.state) != "":
		return r.fail(res, "was killed by signal "+signalOf(r.state), nil)
	}
	return nil
}

func (r *run) closeOurs() {
	files := []*os.File{r.stdin}
	for _, s := range []*stream{r.stdout, r.stderr} {
		if s != nil {
			files = append(files, s.file)
		}
	}
	closeAll(files...)
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// stream reads one output of the program. With max it keeps the first max bytes and reports
// the first byte beyond; without it keeps the last TailSize bytes.
type stream struct {
	file    *os.File
	max     int64
	buf     []byte
	tooMuch bool
	done    chan struct{} // closed when the end was seen or the file was closed
}

func (s *stream) copy(over chan<- struct{}) {
	defer close(s.done)
	chunk := make([]byte, 32<<10)
	for {
		n, err := s.file.Read(chunk)
		s.keep(chunk[:n], over)
		if err != nil {
			return // io.EOF, or we closed it
		}
	}
}

func (s *stream) keep(b []byte, over chan<- struct{}) {
	switch {
	case s.max == 0:
		s.buf = append(s.buf, b...)
		if len(s.buf) > 2*TailSize {
			s.buf = append(s.buf[:0], s.buf[len(s.buf)-TailSize:]...)
		}
	case s.tooMuch: // read on, so that the program is stopped by us and not by a full pipe
	case int64(len(s.buf)+len(b)) > s.max:
		s.tooMuch, s.buf = true, nil
		close(over)
	default:
		s.buf = append(s.buf, b...)
	}
}

func (s *stream) bytes() []byte {
	if s.max == 0 && len(s.buf) > TailSize {
		return s.buf[len(s.buf)-TailSize:]
	}
	return s.buf
}
