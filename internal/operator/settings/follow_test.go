package settings

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const every = 10 * time.Second

// followed is a store whose ConfigMap a test writes; it is the log's writer too.
type followed struct {
	store *Store
	ended chan error
	stop  context.CancelFunc

	mutex   sync.Mutex
	data    map[string]string
	err     error
	hangs   bool
	reads   int
	written bytes.Buffer
}

// follow from within a bubble of synctest, where time passes at once; the test calls end.
func follow(t *testing.T, data map[string]string) *followed {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &followed{store: NewStore(Defaults()), ended: make(chan error, 1), stop: stop, data: data}
	log := slog.New(slog.NewTextHandler(f, nil))
	go func() { f.ended <- f.store.Follow(ctx, f.read, every, log) }()
	synctest.Wait()
	time.Sleep(every / 2) // from here on the test acts half-way between two readings
	return f
}

func (f *followed) read(ctx context.Context) (map[string]string, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.reads++
	if f.hangs {
		f.mutex.Unlock()
		<-ctx.Done()
		f.mutex.Lock()
		return nil, ctx.Err()
	}
	return f.data, f.err
}

// Write what is logged.
func (f *followed) Write(line []byte) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.written.Write(line)
}

// say what the ConfigMap holds from now on, and let it be read this often.
func (f *followed) say(data map[string]string, err error, times int) {
	f.mutex.Lock()
	f.data, f.err = data, err
	f.mutex.Unlock()
	time.Sleep(time.Duration(times) * every)
	synctest.Wait()
}

// logged is how many lines hold this phrase.
func (f *followed) logged(phrase string) (lines int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for line := range strings.Lines(f.written.String()) {
		if strings.Contains(line, phrase) {
			lines++
		}
	}
	return lines
}

func (f *followed) end(t *testing.T) {
	t.Helper()
	f.stop()
	synctest.Wait()
	select {
	case err := <-f.ended:
		if err != nil {
			t.Errorf("the end is an error: %v", err)
		}
	default:
		t.Error("it follows after its context has ended")
	}
}

func TestAChangeOfTheConfigMapIsInForceAfterOneReadingAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, map[string]string{"max-retries": "20"})
		defer f.end(t)
		if got := f.store.Get().MaxRetries; got != 20 {
			t.Errorf("it was not read at once: %d", got)
		}
		f.say(map[string]string{"max-retries": "30"}, nil, 1)
		if got := f.store.Get().MaxRetries; got != 30 {
			t.Errorf("%d after one reading", got)
		}
		f.say(map[string]string{"max-retries": "30"}, nil, 5)
		if n := f.logged("setting=max-retries before=20 after=30 source=ConfigMap"); n != 1 {
			t.Errorf("it is logged %d times:\n%s", n, f.written.String())
		}
		f.say(nil, nil, 1)
		if got := f.store.Get().MaxRetries; got != 10 {
			t.Errorf("%d after the ConfigMap was deleted", got)
		}
		if n := f.logged("setting=max-retries before=30 after=10 source=Default"); n != 1 {
			t.Errorf("going back is logged %d times:\n%s", n, f.written.String())
		}
	})
}

func TestAConfigMapThatCannotBeReadChangesNothingAndIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, map[string]string{"max-retries": "20"})
		defer f.end(t)
		for failure := 1; failure <= 2; failure++ {
			f.say(nil, errors.New("no route to the API"), 5)
			if got := f.store.Get().MaxRetries; got != 20 {
				t.Errorf("%d while it cannot be read", got)
			}
			if n := f.logged("no route to the API"); n != failure {
				t.Errorf("failure %d is logged so that there are %d lines:\n%s", failure, n, f.written.String())
			}
			f.say(map[string]string{"max-retries": "20"}, nil, 2)
			if n := f.logged("can be read again"); n != failure {
				t.Errorf("that failure %d is over is logged so that there are %d lines:\n%s", failure, n, f.written.String())
			}
		}
	})
}

func TestWhatIsNotInForceIsLoggedOnceUntilItsReasonChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, map[string]string{"max-retries": "lots", "wokers": "9"})
		defer f.end(t)
		f.say(map[string]string{"max-retries": "lots", "wokers": "9"}, nil, 3)
		for _, phrase := range []string{"setting=max-retries reason=Invalid", "setting=wokers reason=Unknown"} {
			if n := f.logged(phrase); n != 1 {
				t.Errorf("%s is logged %d times:\n%s", phrase, n, f.written.String())
			}
		}
		f.say(map[string]string{"max-retries": "1", "wokers": "9"}, nil, 3)
		f.say(map[string]string{"wokers": "9"}, nil, 3)
		f.say(map[string]string{"max-retries": "1", "wokers": "9"}, nil, 3)
		if n := f.logged("setting=max-retries reason=Invalid"); n != 3 {
			t.Errorf("two new reasons are logged %d times:\n%s", n-1, f.written.String())
		}
		if n := f.logged("setting=wokers"); n != 1 {
			t.Errorf("what did not change is logged %d times:\n%s", n, f.written.String())
		}
	})
}

func TestAReadingThatHangsIsGivenUpForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, nil)
		defer f.end(t)
		f.mutex.Lock()
		f.hangs = true
		f.mutex.Unlock()
		f.say(nil, nil, 5)
		f.mutex.Lock()
		f.hangs = false
		reads := f.reads
		f.mutex.Unlock()
		if reads < 3 {
			t.Errorf("it was read %d times in five rounds", reads)
		}
		f.say(map[string]string{"max-retries": "20"}, nil, 2)
		if got := f.store.Get().MaxRetries; got != 20 {
			t.Errorf("%d after the API answers again", got)
		}
	})
}

func TestTheEndOfTheOperatorIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, nil)
		f.mutex.Lock()
		f.hangs = true
		f.mutex.Unlock()
		time.Sleep(every) // in the midst of the next reading
		f.end(t)
		if n := f.logged("cannot be read"); n != 0 {
			t.Errorf("it is logged as one:\n%s", f.written.String())
		}
	})
}

func TestFollowingWithoutATimeIsRefused(t *testing.T) {
	read := func(context.Context) (map[string]string, error) { return nil, nil }
	if err := NewStore(Defaults()).Follow(t.Context(), read, 0, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it would read without a pause")
	}
}
