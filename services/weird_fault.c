/* weird_fault.c - SIGBUS: what a store maps and can not be read any more (store.h) is the store's;
 * everything else ends the program as it would without us. Neighbour: weird_main.c. */
#include "store.h"
#include "weird.h"
#include <signal.h>

static void on_bus_error(int number, siginfo_t *info, void *unused)
{
    (void)unused;
    if (info->si_code > 0 && store_fault(info->si_addr))
        return;
    signal(number, SIG_DFL);
    if (info->si_code <= 0) /* somebody sent it: nothing repeats it when this returns */
        raise(number);
}

void weird_guard_files(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, NULL) == 0)
        store_may_map(true);
}
