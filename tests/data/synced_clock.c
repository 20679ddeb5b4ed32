/* The kernel says that its clock is disciplined, whatever the machine's keepers think of it. */
#include <sys/timex.h>

int adjtimex(struct timex *state)
{
	state->status = 0;
	return 0;
}
