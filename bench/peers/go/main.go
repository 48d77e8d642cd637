// SPDX-License-Identifier: MIT

// The works in Go, each as Go is written: goroutines, channels, contexts, WaitGroups.
//
// One thread runs the goroutines (GOMAXPROCS 1), except in the works with other threads, which have
// two. Go has no tasks with results, so a join is a channel or a WaitGroup; and no executor: a
// goroutine that blocks gets a thread by itself. The jobs of `executor` go to goroutines that are
// locked to a thread each, as libraries that are bound to a thread need it.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"
)

type result struct {
	elapsed, end time.Duration
	bytes        float64
	operations   int
}

type work struct {
	run        func(count int, result *result)
	hasThreads bool
}

var works = map[string]work{
	"yield":         {run: func(count int, result *result) { yield(2, count, result) }},
	"yield1000":     {run: func(count int, result *result) { yield(1000, count, result) }},
	"yield_tasks":   {run: func(count int, result *result) { yield(count, scale(count, result), result) }},
	"spawn":         {run: spawn},
	"spawn_batch":   {run: spawnBatch},
	"asleep":        {run: asleep},
	"spawn_process": {run: spawnProcess},
	"timers":        {run: timers},
	"queue":         {run: func(count int, result *result) { queue(1, 1, count, result) }},
	"queue1000":     {run: func(count int, result *result) { queue(1000, 1, count, result) }},
	"queue_tasks":   {run: queueTasks},
	"future":        {run: future},
	"lock":          {run: func(count int, result *result) { lock(10, count, result) }},
	"lock_tasks":    {run: func(count int, result *result) { lock(count, scale(count, result), result) }},
	"cancel":        {run: cancel},
	"timeout":       {run: timeout},
	"executor":      {run: func(count int, result *result) { executor(1, count, result) }, hasThreads: true},
	"executor64":    {run: func(count int, result *result) { executor(64, count, result) }, hasThreads: true},
	"wake":          {run: wake, hasThreads: true},
}

func check(isSo bool, what string) {
	if !isSo {
		fmt.Fprintln(os.Stderr, "failed:", what)
		os.Exit(1)
	}
}

// share returns the part of a count that falls to one of several workers.
func share(count, parts, part int) int {
	if part < count%parts {
		return count/parts + 1
	}
	return count / parts
}

// rounds returns the number of operations of each task in the works of scale.
func rounds(tasks int) int {
	if tasks > 100000 {
		return 3
	}
	return 300000 / tasks
}

func scale(tasks int, result *result) int {
	result.operations = tasks * rounds(tasks)
	return result.operations
}

// crowd starts goroutines by one signal and runs them to their end.
func crowd(tasks int, result *result, body func(task int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	group.Add(tasks)
	for task := 0; task < tasks; task++ {
		go func(task int) {
			<-start
			body(task)
			group.Done()
		}(task)
	}
	begin := time.Now()
	close(start)
	group.Wait()
	result.elapsed = time.Since(begin)
}

func yield(tasks, count int, result *result) {
	crowd(tasks, result, func(task int) {
		for n := share(count, tasks, task); n > 0; n-- {
			runtime.Gosched()
		}
	})
}

func spawn(count int, result *result) {
	begin := time.Now()
	for i := 0; i < count; i++ {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}
	result.elapsed = time.Since(begin)
}

func spawnBatch(count int, result *result) {
	var group sync.WaitGroup
	begin := time.Now()
	group.Add(count)
	for i := 0; i < count; i++ {
		go group.Done()
	}
	group.Wait()
	result.elapsed = time.Since(begin)
}

func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	check(err == nil, "statm")
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

func asleep(count int, result *result) {
	var asleep, group sync.WaitGroup
	over := make(chan struct{})
	before := residentBytes()
	begin := time.Now()
	asleep.Add(count)
	group.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			timer := time.NewTimer(time.Hour)
			asleep.Done()
			select {
			case <-timer.C:
			case <-over:
				timer.Stop()
			}
			group.Done()
		}()
	}
	asleep.Wait()
	runtime.Gosched()
	result.elapsed = time.Since(begin)
	result.bytes = float64(residentBytes()-before) / float64(count)
	begin = time.Now()
	close(over)
	group.Wait()
	result.end = time.Since(begin)
}

func timers(count int, result *result) {
	state := uint64(88172645463325252)
	scatter := func() uint64 {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		return state
	}
	delays := make([]time.Duration, count)
	order := make([]int, count)
	for i := range delays {
		part := float64(scatter()>>11) / 9007199254740992.0
		delays[i] = time.Duration((1.0 + 59.0*part) * 1e9)
		order[i] = i
	}
	for i := count - 1; i > 0; i-- {
		other := int(scatter() % uint64(i+1))
		order[i], order[other] = order[other], order[i]
	}
	all := make([]*time.Timer, count)
	nothing := func() {}
	begin := time.Now()
	for i, delay := range delays {
		all[i] = time.AfterFunc(delay, nothing)
	}
	for _, i := range order[:count/10*9] {
		all[i].Stop()
	}
	result.elapsed = time.Since(begin)
	for _, timer := range all {
		timer.Stop()
	}
}

func queue(bound, pairs, each int, result *result) {
	items := make(chan int, bound)
	crowd(2*pairs, result, func(task int) {
		for i := 0; i < each; i++ {
			if task%2 == 0 {
				items <- i
			} else {
				item := <-items
				check(item == i || pairs > 1, "the order of a queue")
			}
		}
	})
}

func queueTasks(count int, result *result) {
	pairs := (count + 1) / 2
	each := rounds(2 * pairs)
	queue(1, pairs, each, result)
	result.operations = pairs * each
}

func future(count int, result *result) {
	asked := make(chan chan int)
	crowd(2, result, func(task int) {
		for i := 0; i < count; i++ {
			if task == 0 {
				reply := make(chan int, 1)
				asked <- reply
				check(<-reply == i, "the reply")
			} else {
				reply := <-asked
				reply <- i
			}
		}
	})
}

func lock(tasks, count int, result *result) {
	var mutex sync.Mutex
	crowd(tasks, result, func(task int) {
		for n := share(count, tasks, task); n > 0; n-- {
			mutex.Lock()
			runtime.Gosched()
			mutex.Unlock()
		}
	})
}

func cancel(count int, result *result) {
	begin := time.Now()
	for i := 0; i < count; i++ {
		scope, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			<-scope.Done()
			ended <- scope.Err()
		}()
		runtime.Gosched()
		cancel()
		check(<-ended == context.Canceled, "cancel")
	}
	result.elapsed = time.Since(begin)
}

func timeout(count int, result *result) {
	begin := time.Now()
	for i := 0; i < count; i++ {
		scope, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		runtime.Gosched()
		check(scope.Err() == nil, "in time")
		cancel()
	}
	result.elapsed = time.Since(begin)
}

type job struct {
	call  func() int
	reply chan int
}

func executor(inFlight, count int, result *result) {
	jobs := make(chan job)
	for i := 0; i < 4; i++ {
		go func() {
			runtime.LockOSThread()
			for job := range jobs {
				job.reply <- job.call()
			}
		}()
	}
	crowd(inFlight, result, func(task int) {
		reply := make(chan int, 1)
		for n := share(count, inFlight, task); n > 0; n-- {
			jobs <- job{func() int { return n }, reply}
			check(<-reply == n, "the reply of a job")
		}
	})
	close(jobs)
}

func wake(count int, result *result) {
	posts := make(chan func(), 1024)
	ran := 0
	begin := time.Now()
	go func() {
		runtime.LockOSThread()
		for i := 0; i < count; i++ {
			posts <- func() { ran++ }
		}
		close(posts)
	}()
	for post := range posts {
		post()
	}
	result.elapsed = time.Since(begin)
	check(ran == count, "all callbacks ran")
}

func serve(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 16384)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// echo serves a port; TCP_NODELAY is Go's default.
func echo(port int) {
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	check(err == nil, "listen")
	for {
		connection, err := listener.Accept()
		check(err == nil, "accept")
		go serve(connection)
	}
}

// udp returns datagrams.
func udp(port int) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	check(err == nil, "listen")
	buffer := make([]byte, 65536)
	for {
		count, sender, err := socket.ReadFromUDPAddrPort(buffer)
		if err == nil {
			socket.WriteToUDPAddrPort(buffer[:count], sender)
		}
	}
}

func spawnProcess(count int, result *result) {
	for i := 0; i < count; i++ {
		command := exec.Command("/bin/true")
		begin := time.Now()
		err := command.Start()
		result.elapsed += time.Since(begin)
		check(err == nil && command.Wait() == nil, "the child")
	}
}

func main() {
	count, times := 0, 1
	if len(os.Args) >= 3 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) >= 4 {
		times, _ = strconv.Atoi(os.Args[3])
	}
	if count <= 0 || times <= 0 {
		fmt.Fprintln(os.Stderr, "usage: bench WORK N [TIMES] | bench echo PORT")
		os.Exit(2)
	}
	name := os.Args[1]
	runtime.GOMAXPROCS(1)
	if name == "echo" {
		echo(count)
	}
	if name == "udp" {
		udp(count)
	}
	work, isThere := works[name]
	if !isThere {
		fmt.Println(name, "n/a")
		return
	}
	if work.hasThreads {
		runtime.GOMAXPROCS(2)
	}
	warmUp := count / 10
	if name == "asleep" && warmUp > 1000 {
		warmUp = 1000
	}
	if warmUp > 0 {
		work.run(warmUp, &result{})
	}
	var total result
	for i := times; i > 0; i-- {
		result := result{operations: count}
		work.run(count, &result)
		if i == times {
			total.bytes = result.bytes
		}
		total.elapsed += result.elapsed
		total.end += result.end
		total.operations += result.operations
	}
	each := func(span time.Duration) float64 {
		return float64(span.Nanoseconds()) / float64(total.operations)
	}
	if name == "asleep" {
		fmt.Printf("asleep_bytes %.1f B\n", total.bytes)
		fmt.Printf("asleep_make %.2f ns\n", each(total.elapsed))
		fmt.Printf("asleep_end %.2f ns\n", each(total.end))
		return
	}
	fmt.Printf("%s %.2f ns\n", name, each(total.elapsed))
}
