module libasyncio/bench/peers/go

go 1.23
