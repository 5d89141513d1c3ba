package load

// fifo is a queue that allocates only to grow. The zero value is empty.
type fifo[T any] struct {
	list []T
	at   int // the first that waits
}

func (f *fifo[T]) len() int { return len(f.list) - f.at }

func (f *fifo[T]) push(v T) {
	if f.at > len(f.list)/2 {
		f.list, f.at = f.list[:copy(f.list, f.list[f.at:])], 0
	}
	f.list = append(f.list, v)
}

// first is what pop returns next. It holds that f is not empty.
func (f *fifo[T]) first() T { return f.list[f.at] }

func (f *fifo[T]) pop() T {
	v := f.list[f.at]
	f.at++
	return v
}

func (f *fifo[T]) clear() { f.list, f.at = f.list[:0], 0 }
