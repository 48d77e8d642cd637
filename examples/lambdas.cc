/* SPDX-License-Identifier: MIT */
// C++: lambdas as coroutines, results of any type, errors as exceptions; by <asyncio.hpp>.
#include <asyncio.hpp>

#include <cstdio>
#include <string>
#include <vector>

static int factorial(const std::string &name, int number)
{
    int product = 1;
    for (int i = 2; i <= number; i++) {
        std::printf("Task %s: compute factorial(%d), currently i=%d\n", name.c_str(), number, i);
        asyncio::sleep(0.01); // any function may await
        product *= i;
    }
    return product;
}

int main()
{
    return asyncio::run([] {
        std::vector<asyncio::task<int>> tasks;
        for (int n = 2; n <= 4; n++)
            tasks.push_back(asyncio::create_task(
                [n] { return factorial(std::string(1, static_cast<char>('A' + n - 2)), n); }));
        std::vector<int> products;
        for (const auto &task : tasks)
            products.push_back(asyncio::await(task));
        for (int product : products)
            std::printf("%d\n", product);

        auto slow = asyncio::create_task([] { asyncio::sleep(3600); });
        try {
            asyncio::timeout(0.01, [&] { asyncio::await(slow); });
        } catch (const asyncio::error &e) {
            std::printf("%s\n", asyncio_error_name(e.code()));
            asyncio::sleep(0); // a coroutine may await in a catch block
        }
    });
}
