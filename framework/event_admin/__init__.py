"""Events by topic, to whoever subscribed (after Compendium R8 113, Event Admin).

Topics that the gateway and its components publish themselves:

| topic | when | properties |
|---|---|---|
| gatewright/component/STATE_CHANGED | a component configuration changes its state | pid, state, failure |
| gatewright/component/HANG_CHANGED | a callback of a component hangs, or has ended after all | pid, state, hangs |
| gatewright/component/CIRCLE_FOUND | components wait for one another | pids |
| gatewright/configuration/CM_UPDATED, CM_DELETED | a component took a change | pid, factory_pid, revision, outcome |
| gatewright/keystore/CHANGED | after each commit of a keystore | see `components.keystore.changed_properties` |
| gatewright/enrollment/STATE_CHANGED, STEP | an enrolment goes on | see `components.scep` |
| gatewright/event/HANDLER_DENIED | a handler of events failed or hung | owner, topics, reason |
| gatewright/plugin/ADDED, REMOVED, QUARANTINED | plugins come and go | name, distribution, version, reason |
"""

from framework.event_admin.admin import HANDLER_DENIED, DeniedHandler, EventAdmin
from framework.event_admin.event import Event, TopicError
from framework.event_admin.subscription import HANDLER_DEADLINE_S, MOST_WAITING, EventSubscription

__all__ = [
    "HANDLER_DEADLINE_S",
    "HANDLER_DENIED",
    "MOST_WAITING",
    "DeniedHandler",
    "Event",
    "EventAdmin",
    "EventSubscription",
    "TopicError",
]
