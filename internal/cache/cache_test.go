package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/cache"
)

func value(load func(context.Context) (int, error)) *cache.Value[int] {
	return &cache.Value[int]{Load: load, Now: time.Now, Fresh: time.Second, Stale: time.Minute}
}

func TestValue(t *testing.T) {
	t.Parallel()

	t.Run("OneReadingServesEverybody", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			var loads atomic.Int64

			v := value(func(context.Context) (int, error) {
				<-time.After(time.Second)

				return int(loads.Add(1)), nil
			})

			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					got, err := v.Get(t.Context())
					require.NoError(t, err)
					require.Equal(t, 1, got)
				})
			}

			wg.Wait()
			require.EqualValues(t, 1, loads.Load())
		})
	})

	t.Run("NobodyWaitsForAnotherWhileThereIsAnOldOne", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			loads, gate := 0, make(chan struct{}, 1)
			gate <- struct{}{}

			v := value(func(context.Context) (int, error) {
				<-gate

				loads++

				return loads, nil
			})

			got, err := v.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, got)

			<-time.After(2 * time.Second)

			done := make(chan int)
			go func() {
				got, _ := v.Get(t.Context())
				done <- got
			}()

			synctest.Wait()

			got, err = v.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, got, "the one who reads it waits, nobody else")

			gate <- struct{}{}
			require.Equal(t, 2, <-done)
		})
	})

	t.Run("WhatIsTooOldIsNotGiven", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			loads := 0
			v := value(func(context.Context) (int, error) {
				loads++

				return loads, nil
			})

			_, err := v.Get(t.Context())
			require.NoError(t, err)

			v.Load = func(ctx context.Context) (int, error) {
				<-ctx.Done()

				return 0, ctx.Err()
			}

			<-time.After(2 * time.Minute)

			slow, cancel := context.WithCancel(t.Context())
			ended := make(chan error)

			go func() {
				_, err := v.Get(slow)
				ended <- err
			}()

			synctest.Wait()

			second, cancelSecond := context.WithTimeout(t.Context(), time.Second)
			defer cancelSecond()

			_, err = v.Get(second)
			require.ErrorIs(t, err, context.DeadlineExceeded, "it waits for the other one, and no longer than it likes")

			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
		})
	})

	t.Run("WhoWaitedForAFailureTriesItself", func(t *testing.T) {
		t.Parallel()

		synctest.Test(t, func(t *testing.T) {
			var loads atomic.Int64

			v := value(func(context.Context) (int, error) {
				<-time.After(time.Second)

				if loads.Add(1) == 1 {
					return 0, errors.New("away")
				}

				return 7, nil
			})

			var failed atomic.Int64

			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if got, err := v.Get(t.Context()); err != nil {
						failed.Add(1)
					} else {
						require.Equal(t, 7, got)
					}
				})
			}

			wg.Wait()
			require.EqualValues(t, 1, failed.Load())
			require.EqualValues(t, 2, loads.Load())
		})
	})
}
