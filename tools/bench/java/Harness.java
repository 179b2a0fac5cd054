import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Dictionary;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Filter;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceEvent;
import org.osgi.framework.ServiceListener;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.ServiceRegistration;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.launch.FrameworkFactory;

/** Measures the OSGi framework on its class path: Harness CACHE SUITE quick|full; prints lines of a key and its values. */
public final class Harness {
    private static final String INTERFACE = Runnable.class.getName();
    private static final String TEMPLATE =
            "(&(objectClass=example.Keystore)(|(kura.service.pid=Enrol*%d)(service.ranking>=10))"
                    + "(!(state=disabled))(location=*hall*)(version>=2)(vendor=*))";
    private static final Runnable SERVICE = () -> {};
    private static final int REGISTERED = 1000;
    private static int told;

    private final Path cache;
    private final boolean quick;
    private Framework framework;
    private BundleContext context;

    private Harness(Path cache, boolean quick) {
        this.cache = cache;
        this.quick = quick;
    }

    interface Work {
        void run(int turn) throws Exception;
    }

    public static void main(String[] arguments) {
        boolean quick = arguments.length > 2 && arguments[2].equals("quick");
        Harness harness = new Harness(Path.of(arguments[0]), quick);
        try {
            switch (arguments[1]) {
                case "registry" -> harness.registry();
                case "filters" -> harness.filters();
                case "start" -> harness.start();
                default -> throw new IllegalArgumentException(arguments[1]);
            }
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1); // a framework's threads would keep the process alive
        }
        System.exit(0);
    }

    private void registry() throws Exception {
        List<Double> register = new ArrayList<>();
        for (int turn = 0; turn < values(); turn++) {
            open();
            for (int one = 0; one < REGISTERED; one++) {
                context.registerService(INTERFACE, SERVICE, properties(one));
            }
            List<Dictionary<String, Object>> fresh = new ArrayList<>();
            for (int one = 0; one < REGISTERED; one++) {
                fresh.add(properties(REGISTERED + one));
            }
            long begin = System.nanoTime();
            for (Dictionary<String, Object> properties : fresh) {
                context.registerService(INTERFACE, SERVICE, properties);
            }
            register.add((System.nanoTime() - begin) / 1e9 / REGISTERED);
            close();
        }
        print("register", register);
        for (int number : quick ? new int[] {10} : new int[] {10, 1000, 100_000}) {
            find(number);
        }
        for (int number : quick ? new int[] {10} : new int[] {10, 10_000}) {
            event(number);
        }
    }

    private void find(int number) throws Exception {
        open();
        for (int one = 0; one < number; one++) {
            context.registerService(INTERFACE, SERVICE, properties(one));
        }
        List<String> wanted = new ArrayList<>();
        for (int one = number / 20; one < number; one += Math.max(1, number / 10)) {
            wanted.add("(kura.service.pid=service-" + one + ")");
        }
        print("hit-" + number, perCall(turn -> expect(find(wanted.get(turn % wanted.size())), true)));
        print("miss-" + number, perCall(turn -> expect(find("(kura.service.pid=nobody)"), false)));
        close();
    }

    private boolean find(String filter) throws Exception {
        ServiceReference<?>[] found = context.getServiceReferences(INTERFACE, filter);
        return found != null && found.length > 0;
    }

    private static void expect(boolean actual, boolean wanted) {
        if (actual != wanted) {
            throw new AssertionError("what is registered is to be found, and nothing else");
        }
    }

    private void event(int number) throws Exception {
        open();
        for (int one = 0; one < number; one++) {
            ServiceListener listener = new Counter();
            context.addServiceListener(
                    listener, "(&(objectClass=" + INTERFACE + ")(kura.service.pid=service-" + one + "))");
        }
        ServiceRegistration<?> registration = context.registerService(INTERFACE, SERVICE, properties(number / 2));
        int[] changes = {1};
        print("event-" + number, perCall(turn -> {
            Dictionary<String, Object> properties = properties(number / 2);
            properties.put("change", changes[0]++);
            registration.setProperties(properties);
        }));
        if (told != changes[0]) {
            throw new AssertionError("one listener is to be told of each event");
        }
        told = 0;
        close();
    }

    private void filters() throws Exception {
        Filter condition = FrameworkUtil.createFilter(TEMPLATE.formatted(0));
        Map<String, Object> properties = new HashMap<>(Map.of(
                "objectClass", new String[] {"example.Keystore"},
                "kura.service.pid", "EnrollmentKeystore",
                "service.ranking", 12,
                "state", "enabled",
                "location", "machine hall 4",
                "version", 3,
                "vendor", "Example"));
        Dictionary<String, Object> dictionary = new Hashtable<>(properties);
        print("parse", perCall(turn -> FrameworkUtil.createFilter(TEMPLATE.formatted(turn))));
        print("parse-again", perCall(turn -> FrameworkUtil.createFilter(TEMPLATE)));
        print("match", perCall(turn -> expect(condition.match(dictionary), true)));
        print("match-service", perCall(turn -> expect(condition.matches(properties), true)));
    }

    private void start() throws Exception {
        open();
        context.addServiceListener(event -> {
            if (event.getType() == ServiceEvent.REGISTERED) {
                System.out.println("ready");
                System.out.flush();
            }
        }, "(objectClass=" + INTERFACE + ")");
        context.registerService(INTERFACE, SERVICE, properties(0));
        while (System.in.read() >= 0) {
            // until the input ends
        }
        close();
    }

    private void open() throws Exception {
        delete();
        Map<String, String> settings = new HashMap<>();
        settings.put("org.osgi.framework.storage", cache.toString());
        settings.put("org.osgi.framework.storage.clean", "onFirstInit");
        framework = ServiceLoader.load(FrameworkFactory.class).iterator().next().newFramework(settings);
        framework.start();
        context = framework.getBundleContext();
    }

    private void close() throws Exception {
        framework.stop();
        framework.waitForStop(0);
        delete();
    }

    private void delete() throws Exception {
        if (!Files.exists(cache)) {
            return;
        }
        try (Stream<Path> files = Files.walk(cache)) {
            files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        }
    }

    private static Dictionary<String, Object> properties(int number) {
        Dictionary<String, Object> properties = new Hashtable<>();
        properties.put("kura.service.pid", "service-" + number);
        properties.put("service.ranking", 0);
        properties.put("location", "hall");
        return properties;
    }

    private int values() {
        return quick ? 2 : 5;
    }

    /** Seconds of one call: warmed up for a while, then as many calls for each value as it takes to measure well. */
    private List<Double> perCall(Work work) throws Exception {
        double wanted = quick ? 0.005 : 0.05;
        int loops = 1;
        double warm = 0;
        while (true) {
            double elapsed = loop(work, loops);
            warm += elapsed;
            if (elapsed >= wanted && warm >= 10 * wanted) {
                break;
            }
            if (elapsed < wanted) {
                loops *= 2;
            }
        }
        List<Double> found = new ArrayList<>();
        for (int turn = 0; turn < values(); turn++) {
            found.add(loop(work, loops) / loops);
        }
        return found;
    }

    private static double loop(Work work, int loops) throws Exception {
        long begin = System.nanoTime();
        for (int turn = 0; turn < loops; turn++) {
            work.run(turn);
        }
        return (System.nanoTime() - begin) / 1e9;
    }

    private static void print(String key, List<Double> values) {
        StringBuilder line = new StringBuilder("values ").append(key);
        values.forEach(value -> line.append(' ').append(value));
        System.out.println(line);
    }

    private static final class Counter implements ServiceListener {
        @Override
        public void serviceChanged(ServiceEvent event) {
            told++;
        }
    }
}
